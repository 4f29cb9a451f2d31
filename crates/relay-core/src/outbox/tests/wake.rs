//! Whom an outbox wakes: its connection for work it waits for, senders for room, and nobody for nothing.

use std::task::{Context, Poll};
use std::time::Duration;

use super::*;
use crate::close::Close;
use crate::testing::counting_waker;

const HIGH_WATER: usize = 1000;

/// Something done to an outbox.
struct Event(&'static str, fn(&Outbox));

#[test]
fn a_push_wakes_the_connection_that_waits_for_a_chunk_once() {
    let outbox = to_phone();
    let (wakes, waker) = counting_waker();
    assert!(outbox.take(&waker, true).chunk.is_none());
    outbox.push_text("one");
    outbox.push_text("two");
    assert_eq!(wakes.count(), 1);
    assert!(outbox.take(&waker, true).chunk.is_some());
    outbox.push_text("three");
    assert_eq!(wakes.count(), 1, "it has a chunk in hand");
    assert!(outbox.take(&waker, true).chunk.is_some());
    assert!(outbox.take(&waker, true).chunk.is_none());
    outbox.push_notice(b"{}").expect("open");
    assert_eq!(wakes.count(), 2);
}

#[test]
fn a_push_does_not_wake_a_connection_that_wants_no_chunk() {
    let outbox = to_phone();
    let (wakes, waker) = counting_waker();
    outbox.take(&waker, true);
    outbox.take(&waker, false);
    outbox.push_text("one");
    assert_eq!(wakes.count(), 0);
}

#[test]
fn orders_wake_the_connection_whatever_it_waits_for() {
    let orders = [
        Event("close", |outbox| outbox.close(Close::evicted())),
        Event("cut", Outbox::cut),
        Event("ping", Outbox::ping),
    ];
    for Event(name, order) in orders {
        for wants_chunk in [true, false] {
            let outbox = to_phone();
            let (wakes, waker) = counting_waker();
            outbox.take(&waker, wants_chunk);
            order(&outbox);
            assert_eq!(wakes.count(), 1, "{name}, {wants_chunk}");
            outbox.take(&waker, wants_chunk);
            order(&outbox);
            assert_eq!(wakes.count(), 2, "{name} again, {wants_chunk}");
        }
    }
}

#[test]
fn a_tightened_flush_wakes_the_connection() {
    let outbox = to_phone();
    let (wakes, waker) = counting_waker();
    outbox.close(Close::invalid_directive());
    outbox.take(&waker, true);
    outbox.close(Close::drain(Duration::from_secs(5)));
    assert_eq!(wakes.count(), 1);
}

#[test]
fn the_last_waker_seen_is_the_one_woken() {
    let outbox = to_phone();
    let (stale, old) = counting_waker();
    let (wakes, new) = counting_waker();
    outbox.take(&old, true);
    outbox.take(&new, true);
    outbox.push_text("one");
    assert_eq!((stale.count(), wakes.count()), (0, 1));
}

#[test]
fn work_that_came_before_the_waker_is_found_by_taking() {
    let outbox = to_phone();
    outbox.push_text("early");
    outbox.ping();
    let (wakes, waker) = counting_waker();
    let work = outbox.take(&waker, true);
    assert!(work.chunk.is_some() && work.ping);
    assert_eq!(wakes.count(), 0);
}

fn full_outbox() -> Outbox {
    let outbox = to_binary();
    outbox.push_len(HIGH_WATER);
    outbox
}

#[test]
fn there_is_room_below_the_high_water_mark_only() {
    let cx = &mut Context::from_waker(Waker::noop());
    let outbox = to_binary();
    assert_eq!(outbox.poll_room(cx, HIGH_WATER), Poll::Ready(()));
    outbox.push_len(HIGH_WATER - 10);
    assert_eq!(outbox.charged(), HIGH_WATER);
    assert_eq!(outbox.poll_room(cx, HIGH_WATER), Poll::Pending);
    assert_eq!(outbox.poll_room(cx, HIGH_WATER + 1), Poll::Ready(()));
}

#[test]
fn whatever_makes_room_or_waiting_pointless_wakes_every_waiter() {
    let events = [
        Event("written", |outbox| {
            outbox.written(outbox.take_chunk().expect("queued"));
        }),
        Event("torn", |outbox| {
            outbox.torn(outbox.take_chunk().expect("queued"), 3);
        }),
        Event("dropped", Outbox::drop_queued),
        Event("drained", |outbox| {
            outbox.close(Close::drain(Duration::from_secs(5)));
        }),
        Event("displaced", |outbox| {
            outbox.close(Close::heartbeat_timeout());
        }),
        Event("ended", Outbox::retire),
    ];
    for Event(name, happens) in events {
        let outbox = full_outbox();
        let waiters = [counting_waker(), counting_waker()];
        for (_, waker) in &waiters {
            let cx = &mut Context::from_waker(waker);
            assert!(outbox.poll_room(cx, HIGH_WATER).is_pending(), "{name}");
        }
        happens(&outbox);
        for (wakes, waker) in &waiters {
            assert_eq!(wakes.count(), 1, "{name}");
            let cx = &mut Context::from_waker(waker);
            assert!(outbox.poll_room(cx, HIGH_WATER).is_ready(), "{name}");
        }
    }
}

#[test]
fn taking_a_chunk_makes_no_room_yet() {
    let outbox = full_outbox();
    let (wakes, waker) = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    assert!(outbox.poll_room(cx, HIGH_WATER).is_pending());
    let chunk = outbox.take_chunk().expect("queued");
    assert_eq!(wakes.count(), 0);
    assert!(outbox.poll_room(cx, HIGH_WATER).is_pending());
    outbox.written(chunk);
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_waiter_that_asks_twice_is_woken_once() {
    let outbox = full_outbox();
    let (wakes, waker) = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    assert!(outbox.poll_room(cx, HIGH_WATER).is_pending());
    assert!(outbox.poll_room(cx, HIGH_WATER).is_pending());
    outbox.retire();
    assert_eq!(wakes.count(), 1);
}
