//! Grace: who may come back until when, and that an old window never touches its successor.

use std::task::Context;

use super::*;
use crate::registry::grace::{Expired, GraceWindows};
use crate::{Departure, ForwardError, JoinError};

const GRACE: Duration = Duration::from_secs(30);
const JUST_BEFORE: Duration = Duration::from_millis(29_900);

#[test]
fn c34_phones_outlive_their_binary_until_another_claims() {
    let mut relay = Relay::new();
    let mut old = relay.claim("s");
    let mut phone = relay.join("s");
    old.leave(relay.now);
    drop(old);
    assert_eq!(relay.connected(), (0, 1));
    relay.pass(JUST_BEFORE);
    assert_eq!(order(phone.outbox()), None, "a silent phone stays open");

    let new = relay.claim("s");
    assert_eq!(
        closed_with(phone.outbox()),
        (4404, "binary reclaimed server-id")
    );
    assert_eq!(relay.connected(), (1, 0));
    assert_eq!(phone.leave(Some(4404)), Departure::NoNoticeDue);

    let redialled = relay.join("s");
    redialled.forward(b"1").expect("open");
    let read = crate::testing::write_all(new.outbox());
    assert_eq!(read, [routed(&redialled, "1")], "no stray notice before it");
}

#[test]
fn c35_a_phone_may_join_during_grace_but_its_first_frame_ends_it() {
    let relay = Relay::new();
    relay.claim("s").leave(relay.now);
    let mut phone = relay.join("s");
    assert_eq!(phone.forward(b"1"), Err(ForwardError::NoBinary));
    assert_eq!(phone.leave(Some(1000)), Departure::NoticeLost);
}

#[test]
fn c36_grace_ends_after_its_time_and_takes_the_phones_along() {
    let mut relay = Relay::new();
    let mut binary = relay.claim("s");
    let mut phones = [relay.join("s"), relay.join("s")];
    binary.leave(relay.now);
    let due = relay.now + GRACE;

    assert_eq!(relay.pass(JUST_BEFORE), Some(due));
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    relay.now = due;
    assert_eq!(relay.registry.tick(due), None);

    assert_eq!(relay.registry.stats().grace_expiries, 1);
    assert_eq!(relay.connected(), (0, 0));
    for phone in &mut phones {
        assert_eq!(closed_with(phone.outbox()), (1000, ""));
        assert_eq!(phone.leave(Some(1000)), Departure::NoNoticeDue);
    }
    let joined = relay.registry.join(&id("s"), relay.now);
    assert!(matches!(joined, Err(JoinError::NoServer)));
    relay.claim("s");
}

#[test]
fn c37_a_reclaim_just_in_time_is_never_undone_by_the_old_window() {
    let mut relay = Relay::new();
    let mut binary = relay.claim("s");
    for _ in 0..100 {
        let left = relay.now;
        binary.leave(left);
        drop(binary);
        relay.pass(JUST_BEFORE);
        binary = relay.claim("s");
        let phone = relay.join("s");
        relay.now = left + GRACE;
        relay.registry.tick(relay.now);
        relay.pass(Duration::from_secs(10));
        assert_eq!(order(phone.outbox()), None);
        assert_eq!(relay.connected(), (1, 1));
    }
    assert_eq!(relay.registry.stats().grace_expiries, 0);
}

#[test]
fn a_second_leave_has_its_own_window() {
    let mut relay = Relay::new();
    relay.claim("s").leave(relay.now);
    let first = relay.now + GRACE;
    relay.pass(Duration::from_secs(20));
    relay.claim("s").leave(relay.now);
    let second = relay.now + GRACE;

    relay.now = first;
    assert_eq!(relay.registry.tick(first), Some(second));
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    assert_eq!(relay.registry.tick(second), None);
    assert_eq!(relay.registry.stats().grace_expiries, 1);
}

#[test]
fn leaving_twice_opens_one_window() {
    let mut relay = Relay::new();
    let mut binary = relay.claim("s");
    binary.leave(relay.now);
    binary.leave(relay.now + Duration::from_secs(1));
    drop(binary);
    assert_eq!(relay.connected(), (0, 0));
    assert_eq!(relay.pass(GRACE), None);
    assert_eq!(relay.registry.stats().grace_expiries, 1);
}

#[test]
fn a_guard_dropped_without_a_clock_opens_grace_at_the_next_tick() {
    let mut relay = Relay::new();
    drop(relay.claim("s"));
    let phone = relay.join("s");
    assert_eq!(relay.connected(), (0, 1), "gone at once all the same");

    let due = relay.now + Duration::from_secs(5) + GRACE;
    assert_eq!(relay.pass(Duration::from_secs(5)), Some(due));
    assert_eq!(relay.pass(JUST_BEFORE), Some(due));
    assert_eq!(order(phone.outbox()), None);
    relay.registry.tick(due);
    assert_eq!(closed_with(phone.outbox()), (1000, ""));
}

#[test]
fn a_reclaim_before_that_tick_voids_the_window() {
    let mut relay = Relay::new();
    drop(relay.claim("s"));
    let _binary = relay.claim("s");
    relay.pass(Duration::ZERO);
    relay.pass(GRACE);
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    assert_eq!(relay.connected(), (1, 0));
}

#[test]
fn an_opened_window_is_announced_even_to_a_late_listener() {
    let relay = Relay::new();
    let cx = &mut Context::from_waker(Waker::noop());
    let is_announced = |cx: &mut Context<'_>| {
        let opened = std::pin::pin!(relay.registry.grace_opened());
        opened.poll(cx).is_ready()
    };
    assert!(!is_announced(cx));
    relay.claim("s").leave(relay.now);
    assert!(is_announced(cx));
    assert!(!is_announced(cx));
    drop(relay.claim("s"));
    assert!(is_announced(cx));
}

#[test]
fn a_grace_beyond_all_time_never_ends() {
    let mut relay = Relay::with(Limits::default().grace(Duration::MAX));
    relay.claim("by leave").leave(relay.now);
    drop(relay.claim("by drop"));
    let phones = [relay.join("by leave"), relay.join("by drop")];
    relay.pass(Duration::from_secs(1 << 30));
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    for phone in phones {
        assert_eq!(order(phone.outbox()), None);
    }
}

#[test]
fn windows_come_due_in_order_and_once() {
    let start = start();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut windows = GraceWindows::new(GRACE);
    for (seq, seconds) in [(1, 20), (2, 10), (3, 20)] {
        windows.open(id("s"), seq, Some(at(seconds)));
    }
    windows.open(id("s"), 4, None);

    for (seconds, seqs) in [
        (39, &[][..]),
        (40, &[2]),
        (60, &[1, 3]),
        (68, &[]),
        (69, &[4]), // stamped by the first call
    ] {
        let due = windows.due(at(seconds)).into_iter();
        let due: Vec<_> = due.map(|Expired { seq, .. }| seq).collect();
        assert_eq!(due, seqs, "after {seconds} s");
    }
    assert_eq!(windows.next(), None);
}
