//! The drain: one switch, notices behind the last frame, nothing behind the notices, and the end of all members.

use std::collections::BTreeSet;
use std::sync::{Barrier, Mutex};

use super::*;
use crate::close::{Cause, Flush};
use crate::testing::write_all;
use crate::{Delivery, Departure, ForwardError, JoinError};

#[test]
fn refuses_claims_and_joins_once_draining() {
    let relay = Relay::new();
    let _held = relay.claim("held");
    let incumbent = relay.incumbent("held");
    relay.claim("in grace").leave(relay.now);
    for _ in 0..2 {
        relay.registry.begin_drain();
        assert!(relay.registry.is_draining());
        for name in ["held", "in grace", "free"] {
            let claimed = relay.try_claim(name);
            assert!(matches!(claimed, Err(ClaimError::Draining)), "{name}");
            let joined = relay.registry.join(&id(name), relay.now);
            assert!(matches!(joined, Err(JoinError::Draining)), "{name}");
        }
        let taken = relay.take_over(&incumbent);
        assert!(matches!(taken, Err(ClaimError::Draining)));
    }
    assert_eq!(relay.connected(), (1, 0));
}

#[test]
fn every_leg_is_asked_for_1001_with_what_it_takes_in_time() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    relay.drain();
    for outbox in [binary.outbox(), phone.outbox()] {
        let close = order(outbox).expect("closing");
        assert_eq!((close.code.get(), close.reason), (1001, "shutting down"));
        assert_eq!(close.cause, Cause::Drain);
        assert_eq!(close.flush, Flush::Within(FLUSH));
    }
}

#[test]
fn a_binary_gets_its_notices_behind_its_last_frame_and_then_nothing() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let mut phones = [relay.join("s"), relay.join("s"), relay.join("s")];
    let directed = relay.join("s");
    phones[0].forward(b"1").expect("open");
    direct(&binary, &directed, None, 4401);
    relay.drain();
    relay.drain();

    for phone in &mut phones {
        assert_eq!(phone.forward(b"2"), Err(ForwardError::Closing));
        assert_eq!(phone.leave(Some(1001)), Departure::NoNoticeDue);
    }
    drop(directed);
    let read = write_all(binary.outbox());
    assert_eq!(read[0], routed(&phones[0], "1"));
    let mut notices = read[1..].to_vec();
    notices.sort();
    let mut expected: Vec<_> = phones.iter().map(|phone| notice(phone, 1001)).collect();
    expected.sort();
    assert_eq!(
        notices, expected,
        "one each, and none for the phone it closed itself"
    );
}

#[test]
fn frames_accepted_before_the_drain_still_go_out() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    deliver(&binary, &phone, "1");
    relay.drain();
    assert_eq!(deliver(&binary, &phone, "2"), Delivery::PhoneClosing);
    assert_eq!(write_all(phone.outbox()), ["1"]);
    assert_eq!(relay.registry.stats().drain_frames_flushed, 1);
    assert_eq!(relay.registry.stats().drain_frames_dropped, 0);
}

#[test]
fn frames_sent_too_late_are_discarded_whichever_leg_is_asked_first() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    relay.registry.begin_drain();
    let snapshot = relay.registry.snapshot();
    let [first, second] = snapshot.legs() else {
        panic!("two legs");
    };
    first.drain(FLUSH);
    assert_eq!(order(phone.outbox()), None, "the binary comes first");
    assert_eq!(phone.forward(b"late"), Err(ForwardError::Closing));
    second.drain(FLUSH);
    assert_eq!(phone.forward(b"late"), Err(ForwardError::Closing));
    assert_eq!(write_all(binary.outbox()), [notice(&phone, 1001)]);
}

#[test]
fn a_phone_whose_binary_has_gone_already_is_not_closed_1000() {
    let relay = Relay::new();
    let mut binary = relay.claim("s");
    let phone = relay.join("s");
    relay.registry.begin_drain();
    binary.leave(relay.now);
    assert_eq!(phone.forward(b"late"), Err(ForwardError::Closing));
    relay.drain();
    assert_eq!(closed_with(phone.outbox()), (1001, "shutting down"));
}

#[test]
fn a_drain_tightens_a_close_under_way() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    direct(&binary, &phone, Some("1"), 4401);
    relay.drain();
    let close = order(phone.outbox()).expect("closing");
    assert_eq!(
        (close.code.get(), close.flush),
        (4401, Flush::Within(FLUSH))
    );
    assert_eq!(write_all(phone.outbox()), ["1"]);
}

#[test]
fn phones_in_grace_are_drained_too_and_grace_ends_nothing_any_more() {
    let mut relay = Relay::new();
    let mut binary = relay.claim("s");
    let mut phone = relay.join("s");
    binary.leave(relay.now);
    drop(binary);
    relay.drain();
    assert_eq!(relay.pass(Duration::from_secs(60)), None);
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    assert_eq!(closed_with(phone.outbox()), (1001, "shutting down"));
    assert_eq!(phone.leave(Some(1001)), Departure::NoticeLost);
}

#[test]
fn a_binary_that_leaves_while_draining_opens_no_window() {
    let mut relay = Relay::new();
    let mut binary = relay.claim("s");
    relay.registry.begin_drain();
    binary.leave(relay.now);
    assert_eq!(relay.pass(Duration::from_secs(60)), None);
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    assert_eq!(relay.connected(), (0, 0));
}

#[test]
fn draining_a_binary_that_has_left_tells_nobody_that_it_was_told() {
    let relay = Relay::new();
    let mut binary = relay.claim("s");
    let mut phone = relay.join("s");
    let snapshot = relay.registry.snapshot();
    binary.leave(relay.now);
    snapshot.legs()[0].drain(FLUSH);
    assert_eq!(phone.leave(Some(1001)), Departure::NoticeLost);
}

#[test]
fn a_drain_counts_its_legs_as_closed_or_cut() {
    let relay = Relay::new();
    let (mut clean, cut) = (relay.claim("clean"), relay.claim("cut"));
    let (mut phone, before) = (relay.join("clean"), relay.join("clean"));
    drop(before);
    relay.drain();
    clean.leave(relay.now);
    clean.closed_cleanly();
    phone.closed_cleanly();
    drop((clean, cut, phone));
    let stats = relay.registry.stats();
    assert_eq!((stats.drain_legs_closed, stats.drain_legs_cut), (2, 1));
}

/// Whoever gets in is in the snapshot that follows the switch.
#[test]
fn nobody_slips_in_beside_the_switch() {
    for round in 0..300 {
        let relay = Relay::new();
        let _seed = relay.claim("seed");
        let (start, end) = (Barrier::new(3), Barrier::new(3));
        thread::scope(|scope| {
            let claimant = scope.spawn(|| {
                start.wait();
                let claimed: Vec<_> = (0..20)
                    .map_while(|number| relay.try_claim(&number.to_string()).ok())
                    .collect();
                end.wait();
                claimed.len()
            });
            let dialling = scope.spawn(|| {
                start.wait();
                let joined: Vec<_> = (0..16)
                    .map_while(|_| relay.registry.join(&id("seed"), relay.now).ok())
                    .collect();
                end.wait();
                joined.len()
            });
            start.wait();
            for _ in 0..round % 50 * 20 {
                std::hint::spin_loop();
            }
            relay.registry.begin_drain();
            let snapshot = relay.registry.snapshot();
            end.wait();
            assert_eq!(snapshot.binaries(), 1 + claimant.join().unwrap());
            assert_eq!(snapshot.phones(), dialling.join().unwrap());
        });
    }
}

#[test]
fn a_phone_that_leaves_during_the_drain_is_told_once() {
    let rounds: Vec<_> = (0..1000)
        .map(|_| {
            let relay = Relay::new();
            let binary = relay.claim("s");
            let phones: Vec<_> = (0..16).map(|_| relay.join("s")).collect();
            let notices = phones.iter().map(|phone| notice(phone, 1001));
            let notices: BTreeSet<_> = notices.collect();
            (
                relay.registry.snapshot(),
                binary,
                notices,
                Mutex::new(phones),
            )
        })
        .collect();
    let departures = race(
        rounds.len(),
        |round| {
            let mut phones = rounds[round].3.lock().expect("no panic");
            let leave = |phone: &mut Phone| phone.leave(Some(1001));
            phones.iter_mut().map(leave).collect::<Vec<_>>()
        },
        |round| rounds[round].0.legs()[0].drain(FLUSH),
    );
    for (round, (departures, ())) in departures.into_iter().enumerate() {
        let (_, binary, notices, _) = &rounds[round];
        assert!(!departures.contains(&Departure::NoticeLost));
        let read = write_all(binary.outbox());
        assert_eq!(read.len(), 16);
        assert_eq!(&read.into_iter().collect::<BTreeSet<_>>(), notices);
    }
}
