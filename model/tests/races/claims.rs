//! Who holds a server-id when binaries claim it, take it over and leave it at the same time.

use relay_model::{Binary, Cause, ClaimError, Departure, ProbeAnswer};
use shuttle::future::block_on;

use crate::race::{coin, race, race3};
use crate::relay::{cause, held, next_chunk, write_queued};
use crate::{Relay, check};

/// Leaves in one of the two ways there are: staying for a close handshake, or not.
fn leave(relay: &Relay, mut binary: Binary) -> Option<Binary> {
    if coin() {
        binary.leave(relay.now);
        Some(binary)
    } else {
        None
    }
}

/// Exactly one of several claims was accepted; the others name its holder.
fn one_seated(
    relay: &Relay,
    claims: impl IntoIterator<Item = Result<Binary, ClaimError>>,
) -> Binary {
    let (mut seated, refused): (Vec<_>, Vec<_>) = claims.into_iter().partition(Result::is_ok);
    assert_eq!(seated.len(), 1, "{seated:?}");
    let seated = seated.remove(0).expect("partitioned");
    assert_eq!(cause(seated.outbox()), None);
    assert_eq!(relay.connected().0, 1);
    for refused in refused {
        held(refused);
    }
    seated
}

#[test]
fn one_of_three_claims_gets_a_free_server_id() {
    check(|| {
        let relay = Relay::new();
        let claim = || {
            let relay = relay.clone();
            move || relay.try_claim("s")
        };
        let (a, b, c) = race3(claim(), claim(), claim());
        let seated = one_seated(&relay, [a, b, c]);
        let _successor = relay.take_over(&relay.incumbent("s")).expect("silent");
        assert_eq!(cause(seated.outbox()), Some(Cause::HeartbeatTimeout));
    });
}

#[test]
fn a_claim_beside_the_holders_leave_and_the_end_of_its_grace_is_not_freed_by_it() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let (r1, r2, r3) = (relay.clone(), relay.clone(), relay.clone());
        let (claimed, left, ()) = race3(
            move || r1.try_claim("s"),
            move || leave(&r2, holder),
            move || r3.end_grace(),
        );
        drop(left);
        let successor = match claimed {
            Ok(successor) => successor,
            Err(ClaimError::Held(_)) => relay.claim("s"),
            Err(other) => panic!("{other}"),
        };
        relay.end_grace();
        assert_eq!(relay.connected(), (1, 0));
        assert_eq!(cause(successor.outbox()), None);
        drop(relay.join("s"));
        drop(successor);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_takeover_beside_the_incumbents_own_leave_seats_one_successor() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let mut phone = relay.join("s");
        let incumbent = relay.incumbent("s");
        let (r1, r2, r3) = (relay.clone(), relay.clone(), relay.clone());
        let (successor, left, ()) = race3(
            move || r1.take_over(&incumbent).expect("silent, or gone"),
            move || leave(&r2, holder),
            move || r3.end_grace(),
        );
        let order = left.as_ref().and_then(|left| cause(left.outbox()));
        assert!(
            matches!(order, None | Some(Cause::HeartbeatTimeout)),
            "{order:?}"
        );
        drop(left);
        relay.end_grace();
        assert_eq!(relay.connected(), (1, 0));
        assert_eq!(cause(successor.outbox()), None);
        let expired = cause(phone.outbox()) == Some(Cause::GraceExpired);
        assert!(expired || cause(phone.outbox()) == Some(Cause::Evicted));
        assert_eq!(relay.registry.stats().grace_expiries, u64::from(expired));
        assert_eq!(phone.leave(None), Departure::NoNoticeDue);
        assert!(write_queued(successor.outbox()).is_empty());
        drop((phone, successor));
        relay.check_nothing_is_left();
    });
}

#[test]
fn of_two_takeovers_and_a_claim_beside_the_incumbents_leave_one_wins() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let (first, second) = (incumbent.clone(), incumbent);
        let (r1, r2, r3, r4) = (relay.clone(), relay.clone(), relay.clone(), relay.clone());
        let (a, b, (c, left)) = race3(
            move || r1.take_over(&first),
            move || r2.take_over(&second),
            move || race(move || r3.try_claim("s"), move || leave(&r4, holder)),
        );
        drop(left);
        relay.end_grace();
        drop(one_seated(&relay, [a, b, c]));
        relay.check_nothing_is_left();
    });
}

/// The connection of a binary that answers pings until it is closed.
async fn pong(binary: &Binary) {
    std::future::poll_fn(|cx| {
        let work = binary.outbox().take(cx.waker(), false);
        if work.ping {
            binary.heard();
        }
        match work.close {
            Some(_) => std::task::Poll::Ready(()),
            None => std::task::Poll::Pending,
        }
    })
    .await;
}

#[test]
fn every_probe_hears_an_incumbent_that_answers() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let (first, second) = (incumbent.clone(), incumbent);
        let closer = relay.clone();
        let ((), ()) = race(
            move || block_on(pong(&holder)),
            move || {
                let (a, b) = race(
                    move || block_on(first.probe()),
                    move || block_on(second.probe()),
                );
                assert_eq!((a, b), (ProbeAnswer::Alive, ProbeAnswer::Alive));
                closer.drain();
            },
        );
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_probe_ends_with_its_incumbent() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let leaver = relay.clone();
        let (answer, left) = race(
            move || block_on(incumbent.probe()),
            move || leave(&leaver, holder),
        );
        assert_eq!(answer, ProbeAnswer::Gone);
        drop(left);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_displaced_binary_reads_its_close() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (successor, ()) = race(
            move || r1.take_over(&incumbent).expect("silent"),
            move || {
                let mut holder = holder;
                assert!(block_on(next_chunk(holder.outbox())).is_none());
                assert_eq!(cause(holder.outbox()), Some(Cause::HeartbeatTimeout));
                holder.leave(r2.now);
            },
        );
        relay.end_grace();
        assert_eq!(relay.connected(), (1, 0));
        drop(successor);
        relay.check_nothing_is_left();
    });
}
