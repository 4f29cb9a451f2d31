//! Tests of the registry by topic, a model it must agree with, and a random schedule on real threads.
//!
//! A test named `cNN_…` holds the case of that number in the list of black-box cases.

mod budget;
mod churn;
mod directives;
mod drain;
mod grace;
mod idle;
mod model;
mod phones;
mod snapshot;
mod takeover;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::close::Close;
use crate::testing::start;
use crate::{Binary, ClaimError, Incumbent, Limits, Origin, Outbox, Phone, Registry, ServerId};

const FLUSH: Duration = Duration::from_secs(5);

/// A registry and its time.
struct Relay {
    registry: Registry,
    now: Instant,
}

impl Relay {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self {
            registry: Registry::new(limits),
            now: start(),
        }
    }

    fn try_claim(&self, name: &str) -> Result<Binary, ClaimError> {
        self.registry.claim(&id(name), Origin::unknown(), self.now)
    }

    fn claim(&self, name: &str) -> Binary {
        self.try_claim(name).expect("free or in grace")
    }

    fn incumbent(&self, name: &str) -> Incumbent {
        match self.try_claim(name) {
            Err(ClaimError::Held(incumbent)) => incumbent,
            other => panic!("{name} is not held: {other:?}"),
        }
    }

    fn take_over(&self, incumbent: &Incumbent) -> Result<Binary, ClaimError> {
        self.registry
            .take_over(incumbent, Origin::unknown(), self.now)
    }

    fn join(&self, name: &str) -> Phone {
        self.registry.join(&id(name), self.now).expect("a binary")
    }

    /// Lets time pass, and ticks.
    fn pass(&mut self, time: Duration) -> Option<Instant> {
        self.now += time;
        self.registry.tick(self.now)
    }

    /// Connected binaries and phones, on which the gauges and a snapshot must agree.
    fn connected(&self) -> (usize, usize) {
        let stats = self.registry.stats();
        let snapshot = self.registry.snapshot();
        let counts = (stats.connected_binaries, stats.connected_phones);
        assert_eq!(counts, (snapshot.binaries(), snapshot.phones()));
        counts
    }

    /// Asks every leg to end as a shutdown does.
    fn drain(&self) {
        self.registry.begin_drain();
        for leg in self.registry.snapshot().legs() {
            leg.drain(FLUSH);
        }
    }
}

fn id(name: &str) -> ServerId {
    ServerId::new(name.as_bytes())
}

fn order(outbox: &Outbox) -> Option<Close> {
    outbox.take(Waker::noop(), false).close
}

/// The code and reason a leg is closed with.
fn closed_with(outbox: &Outbox) -> (u16, &'static str) {
    let close = order(outbox).expect("a close was ordered");
    (close.code.get(), close.reason)
}

/// What the binary reads when this phone sends `frame`.
fn routed(phone: &Phone, frame: &str) -> String {
    format!(r#"{{"conn_id":"{}","frame":{frame}}}"#, phone.conn_id())
}

/// What the binary reads when this phone has gone.
fn notice(phone: &Phone, code: u16) -> String {
    notice_of(&phone.conn_id().to_string(), code)
}

fn notice_of(conn_id: &str, code: u16) -> String {
    format!(r#"{{"conn_id":"{conn_id}","close_code":{code}}}"#)
}

/// Addresses a phone as a binary's envelope does.
fn deliver(binary: &Binary, phone: &Phone, frame: &str) -> crate::Delivery {
    binary.deliver(&phone.conn_id().to_string(), Some(frame.as_bytes()), None)
}

fn direct(binary: &Binary, phone: &Phone, frame: Option<&str>, code: u16) -> crate::Delivery {
    let conn_id = phone.conn_id().to_string();
    binary.deliver(&conn_id, frame.map(str::as_bytes), Some(code))
}

/// Does two things at the same time, round after round with a different head start, and returns what came of each.
fn race<L: Send, R>(
    rounds: usize,
    left: impl Fn(usize) -> L + Sync,
    right: impl Fn(usize) -> R,
) -> Vec<(L, R)> {
    let arrived = AtomicUsize::new(0);
    let meet = |round: usize| {
        arrived.fetch_add(1, Ordering::SeqCst);
        for spins in 0.. {
            if arrived.load(Ordering::SeqCst) >= 2 * (round + 1) {
                break;
            }
            // Waking from a blocking barrier takes longer than what is raced here.
            if spins % 1000 == 999 {
                thread::yield_now();
            }
        }
    };
    thread::scope(|scope| {
        let left = scope.spawn(|| {
            let run = |round| {
                meet(round);
                left(round)
            };
            (0..rounds).map(run).collect::<Vec<_>>()
        });
        let run = |round| {
            meet(round);
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
            right(round)
        };
        let right: Vec<_> = (0..rounds).map(run).collect();
        let left = left.join().expect("no panic");
        left.into_iter().zip(right).collect()
    })
}
