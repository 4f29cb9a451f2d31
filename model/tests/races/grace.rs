//! The end of a grace window beside claims, joins and leaves: each acts on the connection it means.

use relay_model::{Cause, Departure, ForwardError, JoinError};

use crate::race::{race, race3};
use crate::relay::{GRACE, cause, write_queued};
use crate::{Relay, check};

#[test]
fn a_reclaim_beside_the_end_of_grace_closes_each_phone_once() {
    check(|| {
        let relay = Relay::new();
        let mut holder = relay.claim("s");
        let mut phone = relay.join("s");
        holder.leave(relay.now);
        let (r1, r2) = (relay.clone(), relay.clone());
        let (successor, _next) = race(
            move || r1.claim("s"),
            move || r2.registry.tick(r2.now + GRACE),
        );
        let expired = cause(phone.outbox()) == Some(Cause::GraceExpired);
        assert!(expired || cause(phone.outbox()) == Some(Cause::Evicted));
        assert_eq!(relay.registry.stats().grace_expiries, u64::from(expired));
        assert_eq!(phone.forward(b"1"), Err(ForwardError::Closing));
        assert_eq!(phone.leave(None), Departure::NoNoticeDue);
        assert!(write_queued(successor.outbox()).is_empty());
        relay.end_grace();
        assert_eq!(relay.connected(), (1, 0));
        drop((holder, phone, successor));
        relay.check_nothing_is_left();
    });
}

#[test]
fn an_old_timer_does_not_end_the_grace_of_a_successor() {
    check(|| {
        let relay = Relay::new();
        relay.claim("s").leave(relay.now);
        let (r1, r2) = (relay.clone(), relay.clone());
        let (phone, _next) = race(
            move || {
                let mut successor = r1.claim("s");
                let phone = r1.join("s");
                successor.leave(r1.now + GRACE / 2);
                phone
            },
            move || r2.registry.tick(r2.now + GRACE),
        );
        assert_eq!(cause(phone.outbox()), None);
        relay.registry.tick(relay.now + GRACE);
        assert_eq!(cause(phone.outbox()), None);
        assert_eq!(relay.connected(), (0, 1));
        let next = relay.registry.tick(relay.now + GRACE + GRACE / 2);
        assert_eq!(next, None);
        assert_eq!(cause(phone.outbox()), Some(Cause::GraceExpired));
        drop(phone);
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_join_beside_the_end_of_grace_is_closed_or_refused() {
    check(|| {
        let relay = Relay::new();
        relay.claim("s").leave(relay.now);
        let (r1, r2) = (relay.clone(), relay.clone());
        let (joined, _next) = race(
            move || r1.try_join("s"),
            move || r2.registry.tick(r2.now + GRACE),
        );
        match joined {
            Ok(phone) => assert_eq!(cause(phone.outbox()), Some(Cause::GraceExpired)),
            Err(refused) => assert!(matches!(refused, JoinError::NoServer), "{refused}"),
        }
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_phone_that_leaves_beside_the_end_of_grace_leaves_once() {
    check(|| {
        let relay = Relay::new();
        let mut holder = relay.claim("s");
        let mut phone = relay.join("s");
        let staying = relay.join("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (departure, holder, _next) = race3(
            move || phone.leave(Some(1000)),
            move || {
                holder.leave(r1.now);
                holder
            },
            move || r2.registry.tick(r2.now + GRACE),
        );
        if departure == Departure::NoNoticeDue {
            assert_eq!(cause(staying.outbox()), Some(Cause::GraceExpired));
        }
        relay.end_grace();
        assert_eq!(cause(staying.outbox()), Some(Cause::GraceExpired));
        assert_eq!(relay.registry.stats().grace_expiries, 1);
        drop((holder, staying));
        relay.check_nothing_is_left();
    });
}

#[test]
fn who_waits_for_a_window_hears_of_it() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let ticker = relay.clone();
        let ((), next) = race(
            move || drop(holder),
            move || {
                shuttle::future::block_on(ticker.registry.grace_opened());
                ticker.registry.tick(ticker.now)
            },
        );
        assert_eq!(next, Some(relay.now + GRACE));
        relay.check_nothing_is_left();
    });
}
