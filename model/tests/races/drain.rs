//! The switch that ends it all: nobody gets in behind it, and whoever got in is seen and waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use relay_model::{Cause, ClaimError, JoinError};
use shuttle::future::block_on;
use shuttle::thread;

use crate::race::{coin, race, race3};
use crate::relay::{GRACE, cause};
use crate::{Relay, check};

#[test]
fn whoever_gets_in_beside_the_switch_is_in_the_snapshot_behind_it() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let (r1, r2, r3) = (relay.clone(), relay.clone(), relay.clone());
        let (claimed, joined, seen) = race3(
            move || r1.try_claim("t"),
            move || r2.try_join("s"),
            move || {
                r3.registry.begin_drain();
                let seen = r3.registry.snapshot();
                assert!(matches!(r3.try_claim("t"), Err(ClaimError::Draining)));
                assert!(matches!(r3.try_join("s"), Err(JoinError::Draining)));
                assert!(r3.registry.is_draining() && seen.is_draining());
                (seen.binaries(), seen.phones())
            },
        );
        let got_in = (
            1 + usize::from(claimed.is_ok()),
            usize::from(joined.is_ok()),
        );
        assert_eq!(seen, got_in);
        assert_eq!(relay.connected(), got_in);
        assert!(matches!(claimed, Ok(_) | Err(ClaimError::Draining)));
        assert!(matches!(joined, Ok(_) | Err(JoinError::Draining)));
        drop((claimed, joined, holder));
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_takeover_beside_the_switch_displaces_or_is_refused() {
    check(|| {
        let relay = Relay::new();
        let holder = relay.claim("s");
        let incumbent = relay.incumbent("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let (taken, ()) = race(move || r1.take_over(&incumbent), move || r2.drain());
        match &taken {
            Ok(successor) => {
                assert_eq!(cause(holder.outbox()), Some(Cause::HeartbeatTimeout));
                assert_eq!(cause(successor.outbox()), Some(Cause::Drain));
            }
            Err(refused) => {
                assert!(matches!(refused, ClaimError::Draining), "{refused}");
                assert_eq!(cause(holder.outbox()), Some(Cause::Drain));
            }
        }
        assert_eq!(relay.connected(), (1, 0));
        drop((holder, taken));
        relay.check_nothing_is_left();
    });
}

/// Counts who is in, from outside: no step of the scheduler, so at each of its steps the count is right.
#[derive(Clone, Default)]
struct Attendance {
    present: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Attendance {
    fn enter(&self) {
        assert!(!self.is_over.load(Ordering::SeqCst), "behind the end");
        self.present.fetch_add(1, Ordering::SeqCst);
    }

    fn exit(&self) {
        self.present.fetch_sub(1, Ordering::SeqCst);
    }

    fn end(&self) {
        assert_eq!(self.present.load(Ordering::SeqCst), 0, "somebody is in");
        self.is_over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn idle_waits_for_everybody_who_got_in() {
    check(|| {
        let relay = Relay::new();
        let attendance = Attendance::default();
        let (waiter, watch) = (relay.clone(), attendance.clone());
        let early = thread::spawn(move || {
            block_on(waiter.registry.idle());
            assert_eq!(waiter.connected(), (0, 0));
            watch.end();
        });
        let (r1, r2, r3) = (relay.clone(), relay.clone(), relay.clone());
        let (a1, a2, a3) = (attendance.clone(), attendance.clone(), attendance);
        let ((), (), ()) = race3(
            move || {
                if let Ok(mut binary) = r1.try_claim("s") {
                    a1.enter();
                    if coin() {
                        binary.leave(r1.now);
                    }
                    a1.exit();
                }
            },
            move || {
                if let Ok(mut phone) = r2.try_join("s") {
                    a2.enter();
                    if coin() {
                        phone.leave(None);
                    }
                    a2.exit();
                }
            },
            move || {
                r3.registry.begin_drain();
                block_on(r3.registry.idle());
                assert_eq!(r3.connected(), (0, 0));
                a3.end();
            },
        );
        early.join().expect("no panic");
        relay.check_nothing_is_left();
    });
}

#[test]
fn everybody_who_waits_for_a_drain_hears_of_it() {
    check(|| {
        let relay = Relay::new();
        let (r1, r2, r3) = (relay.clone(), relay.clone(), relay.clone());
        let ((), (), ()) = race3(
            move || block_on(r1.registry.draining()),
            move || block_on(r2.registry.idle()),
            move || r3.registry.begin_drain(),
        );
        block_on(relay.registry.draining());
        block_on(relay.registry.idle());
    });
}

#[test]
fn a_binary_that_leaves_beside_the_switch_opens_no_window() {
    check(|| {
        let relay = Relay::new();
        let mut holder = relay.claim("s");
        let phone = relay.join("s");
        let (r1, r2) = (relay.clone(), relay.clone());
        let ((), ()) = race(
            move || {
                if coin() {
                    holder.leave(r1.now);
                }
                drop(holder);
            },
            move || r2.registry.begin_drain(),
        );
        assert_eq!(relay.registry.tick(relay.now), None);
        assert_eq!(relay.registry.tick(relay.now + GRACE), None);
        assert_eq!(cause(phone.outbox()), None);
        assert_eq!(relay.connected(), (0, 1));
        drop(phone);
        relay.check_nothing_is_left();
    });
}

#[test]
fn every_leg_that_leaves_in_a_drain_is_counted_once() {
    check(|| {
        let relay = Relay::new();
        let (mut binary, mut phone) = (relay.claim("s"), relay.join("s"));
        relay.registry.begin_drain();
        let (r1, r2) = (relay.clone(), relay.clone());
        let ((), (), ()) = race3(
            move || {
                binary.closed_cleanly();
                binary.leave(r1.now);
            },
            move || {
                phone.leave(None);
                drop(phone);
            },
            move || block_on(r2.registry.idle()),
        );
        let stats = relay.registry.stats();
        assert_eq!((stats.drain_legs_closed, stats.drain_legs_cut), (1, 1));
        relay.check_nothing_is_left();
    });
}
