//! Claims that collide: the probe, the takeover, and what is left to the loser.

use std::net::IpAddr;
use std::sync::Barrier;
use std::task::{Context, Poll};

use super::*;
use crate::testing::{counting_waker, write_all};
use crate::{Delivery, Departure, ForwardError, ProbeAnswer};

#[test]
fn a_held_server_id_is_refused_and_names_the_incumbent() {
    let relay = Relay::new();
    let ip: IpAddr = [192, 0, 2, 1].into();
    let origin = Origin::from_ip(ip);
    let holder = relay.registry.claim(&id("s"), origin, relay.now);
    let holder = holder.expect("free");
    let phone = relay.join("s");

    assert_eq!(relay.incumbent("s").origin(), origin);
    assert_eq!(order(holder.outbox()), None);
    assert_eq!(order(phone.outbox()), None);
    assert_eq!(deliver(&holder, &phone, "1"), Delivery::Queued);
    assert_eq!(relay.connected(), (1, 1));
}

#[test]
fn c31_a_takeover_evicts_the_phones_and_closes_the_old_binary() {
    let mut relay = Relay::new();
    let mut old = relay.claim("s");
    let mut phone = relay.join("s");
    phone.forward(b"0").expect("open");
    let new = relay.take_over(&relay.incumbent("s")).expect("silent");

    assert_eq!(closed_with(old.outbox()), (1011, "heartbeat timeout"));
    assert_eq!(
        closed_with(phone.outbox()),
        (4404, "binary reclaimed server-id")
    );
    assert_eq!(relay.connected(), (1, 0));
    assert_eq!(phone.forward(b"1"), Err(ForwardError::Closing));
    assert_eq!(phone.leave(Some(4404)), Departure::NoNoticeDue);

    old.leave(relay.now);
    drop(old);
    relay.pass(Duration::from_secs(40));
    assert_eq!(
        relay.connected(),
        (1, 0),
        "the displaced one released nothing"
    );
    assert_eq!(relay.registry.stats().grace_expiries, 0);
    let redialled = relay.join("s");
    redialled.forward(b"2").expect("open");
    assert_eq!(write_all(new.outbox()), [routed(&redialled, "2")]);
}

#[test]
fn c32_of_two_takeovers_one_wins() {
    let relay = Relay::new();
    let _dead = relay.claim("s");
    let (first, second) = (relay.incumbent("s"), relay.incumbent("s"));
    let winner = relay
        .take_over(&first)
        .expect("still held by the incumbent");
    let refused = relay.take_over(&second);
    assert!(matches!(refused, Err(ClaimError::Held(_))));
    assert_eq!(order(winner.outbox()), None);
    assert_eq!(relay.connected(), (1, 0));
}

#[test]
fn c32_of_many_takeovers_at_once_one_wins() {
    const CLAIMANTS: usize = 8;
    for _ in 0..50 {
        let relay = Relay::new();
        let _dead = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let barrier = Barrier::new(CLAIMANTS);
        let outcomes = thread::scope(|scope| {
            let claimants: Vec<_> = (0..CLAIMANTS)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        relay.take_over(&incumbent)
                    })
                })
                .collect();
            let join = |claimant: thread::ScopedJoinHandle<'_, _>| claimant.join().unwrap();
            claimants.into_iter().map(join).collect::<Vec<_>>()
        });
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(relay.connected(), (1, 0));
    }
}

#[test]
fn a_takeover_never_displaces_a_later_binary() {
    let relay = Relay::new();
    let mut dead = relay.claim("s");
    let incumbent = relay.incumbent("s");
    dead.leave(relay.now);
    let reclaimer = relay.claim("s");
    let phone = relay.join("s");

    let refused = relay.take_over(&incumbent);
    assert!(matches!(refused, Err(ClaimError::Held(_))));
    assert_eq!(order(reclaimer.outbox()), None);
    assert_eq!(order(phone.outbox()), None);
}

#[test]
fn a_takeover_of_a_binary_that_left_is_a_plain_claim() {
    for is_expired in [false, true] {
        let mut relay = Relay::new();
        let mut dead = relay.claim("s");
        let incumbent = relay.incumbent("s");
        dead.leave(relay.now);
        if is_expired {
            relay.pass(Duration::from_secs(30));
        }
        let _new = relay.take_over(&incumbent).expect("in grace or free");
        assert_eq!(relay.connected(), (1, 0));
    }
}

#[test]
fn a_displaced_binary_reaches_nobody() {
    let relay = Relay::new();
    let old = relay.claim("s");
    let evicted = relay.join("s");
    let _new = relay.take_over(&relay.incumbent("s")).expect("silent");
    let joined = relay.join("s");
    for phone in [&evicted, &joined] {
        assert_eq!(deliver(&old, phone, "1"), Delivery::UnknownPhone);
    }
    assert!(write_all(joined.outbox()).is_empty());
}

#[test]
fn an_evicted_phone_is_never_told_that_its_binary_is_gone() {
    let rounds: Vec<_> = (0..1000)
        .map(|_| {
            let relay = Relay::new();
            let binary = relay.claim("s");
            let (phone, incumbent) = (relay.join("s"), relay.incumbent("s"));
            (relay, binary, phone, incumbent)
        })
        .collect();
    let outcomes = race(
        rounds.len(),
        |round| {
            loop {
                if let Err(refused) = rounds[round].2.forward(b"1") {
                    return refused;
                }
            }
        },
        |round| rounds[round].0.take_over(&rounds[round].3).expect("silent"),
    );
    for (refused, _new) in outcomes {
        assert_eq!(refused, ForwardError::Closing);
    }
}

#[test]
fn any_byte_answers_a_probe() {
    let relay = Relay::new();
    let holder = relay.claim("s");
    let incumbent = relay.incumbent("s");
    holder.heard();

    let (wakes, waker) = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    let mut probe = std::pin::pin!(incumbent.probe());
    assert!(
        probe.as_mut().poll(cx).is_pending(),
        "earlier bytes do not count"
    );
    assert!(holder.outbox().take(Waker::noop(), false).ping);
    assert_eq!(wakes.count(), 0);
    holder.heard();
    assert_eq!(wakes.count(), 1);
    assert_eq!(probe.as_mut().poll(cx), Poll::Ready(ProbeAnswer::Alive));
}

#[test]
fn one_byte_answers_every_probe() {
    let relay = Relay::new();
    let holder = relay.claim("s");
    let (first, second) = (relay.incumbent("s"), relay.incumbent("s"));
    let cx = &mut Context::from_waker(Waker::noop());
    let mut first = std::pin::pin!(first.probe());
    let mut second = std::pin::pin!(second.probe());
    assert!(first.as_mut().poll(cx).is_pending());
    assert!(second.as_mut().poll(cx).is_pending());
    holder.heard();
    assert_eq!(first.as_mut().poll(cx), Poll::Ready(ProbeAnswer::Alive));
    assert_eq!(second.as_mut().poll(cx), Poll::Ready(ProbeAnswer::Alive));
}

#[test]
fn a_probe_ends_when_the_incumbent_does() {
    for leaves_first in [true, false] {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let (wakes, waker) = counting_waker();
        let cx = &mut Context::from_waker(&waker);
        let mut probe = std::pin::pin!(incumbent.probe());
        if leaves_first {
            drop(holder);
        } else {
            assert!(probe.as_mut().poll(cx).is_pending());
            drop(holder);
            assert_eq!(wakes.count(), 1);
        }
        assert_eq!(probe.as_mut().poll(cx), Poll::Ready(ProbeAnswer::Gone));
    }
}

#[test]
fn a_silent_incumbent_leaves_the_probe_waiting() {
    let relay = Relay::new();
    let _holder = relay.claim("s");
    let phone = relay.join("s");
    let incumbent = relay.incumbent("s");
    let cx = &mut Context::from_waker(Waker::noop());
    let mut probe = std::pin::pin!(incumbent.probe());
    assert!(probe.as_mut().poll(cx).is_pending());
    phone.forward(b"1").expect("open");
    assert!(
        probe.as_mut().poll(cx).is_pending(),
        "its phones are not it"
    );
}
