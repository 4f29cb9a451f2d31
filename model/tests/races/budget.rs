//! The process-wide budget: the sum of what the outboxes pin, whoever pushes, takes, closes, leaves and is evicted.

use std::task::Waker;

use relay_model::internals::charged;
use relay_model::{Binary, Cause, Limits, Outbox, Phone};

use crate::race::{coin, race, race3};
use crate::relay::{cause, deliver};
use crate::{Relay, check};

/// Above half of what `tight` allows, so that two of them are too many.
const BIG: usize = 600;

fn tight() -> Limits {
    Limits::default().queue_memory(1000)
}

fn check_books<'a>(relay: &Relay, outboxes: impl IntoIterator<Item = &'a Outbox>) {
    let pinned: usize = outboxes.into_iter().map(charged).sum();
    assert_eq!(relay.registry.stats().queued_bytes, pinned);
}

fn send(binary: &Binary, conn_id: &str, len: usize) {
    let frame = format!("\"{}\"", "x".repeat(len));
    deliver(binary, conn_id, Some(&frame), None);
}

/// What a connection does with a chunk, if there is one, and how it may end.
fn write_or_tear(mut phone: Phone) -> Phone {
    if let Some(chunk) = phone.outbox().take(Waker::noop(), true).chunk {
        if coin() {
            phone.leave(Some(1000));
        }
        if coin() {
            phone.outbox().written(chunk);
        } else {
            phone.outbox().torn(chunk, 3);
        }
    }
    if coin() {
        phone.outbox().drop_queued();
    }
    phone
}

#[test]
fn writing_leaving_and_being_closed_keep_the_books() {
    check(|| {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let phone = relay.join("s");
        let conn_id = phone.conn_id().to_string();
        let drainer = relay.clone();
        let (phone, binary, ()) = race3(
            move || write_or_tear(phone),
            move || {
                send(&binary, &conn_id, 10);
                send(&binary, &conn_id, 300);
                deliver(&binary, &conn_id, Some("1"), coin().then_some(4401));
                binary
            },
            move || {
                if coin() {
                    drainer.drain();
                }
            },
        );
        check_books(&relay, [phone.outbox(), binary.outbox()]);
        drop((phone, binary));
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_binary_that_leaves_beside_pushes_keeps_the_books() {
    check(|| {
        let relay = Relay::new();
        let mut binary = relay.claim("s");
        let phones = [relay.join("s"), relay.join("s")];
        let leaver = relay.clone();
        let [first, second] = phones.map(|mut phone| {
            move || {
                let sent = phone.forward(b"1").is_ok();
                if coin() {
                    phone.leave(Some(1000));
                }
                assert!(sent || phone.forward(b"2").is_err());
                phone
            }
        });
        let (first, second, binary) = race3(first, second, move || {
            let chunk = binary.outbox().take(Waker::noop(), true).chunk;
            binary.leave(leaver.now);
            chunk
                .into_iter()
                .for_each(|chunk| binary.outbox().torn(chunk, 0));
            binary
        });
        check_books(&relay, [first.outbox(), second.outbox(), binary.outbox()]);
        assert_eq!(charged(binary.outbox()), 0);
        drop((first, second, binary));
        relay.check_nothing_is_left();
    });
}

/// A relay with two binaries, one phone each, whose queues together are more than the budget allows.
struct Crowd {
    relay: Relay,
    binaries: [Binary; 2],
    phones: [Phone; 2],
}

impl Crowd {
    fn new() -> Self {
        let relay = Relay::with(tight());
        let binaries = [relay.claim("s"), relay.claim("t")];
        let phones = [relay.join("s"), relay.join("t")];
        Self {
            relay,
            binaries,
            phones,
        }
    }

    /// Sends a big frame to each phone, the second while something happens to the first.
    fn check_eviction_beside(happens: impl FnOnce(&mut Phone) + Send + 'static) {
        let Self {
            relay,
            binaries: [s, t],
            phones: [mut a, b],
        } = Self::new();
        let (to_a, to_b) = (a.conn_id().to_string(), b.conn_id().to_string());
        send(&s, &to_a, BIG);
        let (a, t) = race(
            move || {
                happens(&mut a);
                a
            },
            move || {
                send(&t, &to_b, BIG);
                t
            },
        );
        check_one_eviction_at_most(&relay, [&a, &b]);
        check_books(&relay, [a.outbox(), b.outbox(), s.outbox(), t.outbox()]);
        drop((a, b, s, t));
        relay.check_nothing_is_left();
    }
}

fn check_one_eviction_at_most(relay: &Relay, phones: [&Phone; 2]) -> u64 {
    let is_evicted = |phone: &&Phone| cause(phone.outbox()) == Some(Cause::BacklogFull);
    let evicted = phones.into_iter().filter(is_evicted).count() as u64;
    assert!(evicted <= 1);
    assert_eq!(relay.registry.stats().backlog_evictions, evicted);
    evicted
}

#[test]
fn two_pushes_that_see_the_same_excess_evict_one_phone() {
    check(|| {
        let Crowd {
            relay,
            binaries: [s, t],
            phones: [a, b],
        } = Crowd::new();
        let (to_a, to_b) = (a.conn_id().to_string(), b.conn_id().to_string());
        let (s, t) = race(
            move || {
                send(&s, &to_a, BIG);
                s
            },
            move || {
                send(&t, &to_b, BIG);
                t
            },
        );
        assert_eq!(check_one_eviction_at_most(&relay, [&a, &b]), 1);
        assert!(relay.registry.stats().queued_bytes <= tight().queue_memory);
        check_books(&relay, [a.outbox(), b.outbox(), s.outbox(), t.outbox()]);
        drop((a, b, s, t));
        relay.check_nothing_is_left();
    });
}

#[test]
fn a_phone_that_leaves_beside_its_eviction_is_not_counted_as_evicted() {
    check(|| {
        Crowd::check_eviction_beside(|phone| {
            phone.leave(Some(1000));
        });
    });
}

#[test]
fn a_phone_that_takes_its_queue_beside_its_eviction_stays() {
    check(|| {
        Crowd::check_eviction_beside(|phone| {
            let chunk = phone.outbox().take(Waker::noop(), true).chunk;
            let was_evicted = chunk.is_none();
            chunk
                .into_iter()
                .for_each(|chunk| phone.outbox().written(chunk));
            assert_eq!(cause(phone.outbox()).is_some(), was_evicted);
        });
    });
}
