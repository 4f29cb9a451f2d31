//! One budget for all queues: who pays when it is full, and that everything comes back.

use std::sync::Barrier;

use super::*;
use crate::testing::write_all;
use crate::{Delivery, Departure};

fn frame(bytes: usize) -> String {
    "x".repeat(bytes)
}

fn is_evicted(phone: &Phone) -> bool {
    order(phone.outbox()).is_some()
}

#[test]
fn c41_a_burst_of_small_frames_waits_for_a_slow_phone() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    let frames: Vec<_> = (0..300).map(|number| format!("{number:01024}")).collect();
    for frame in &frames {
        assert_eq!(deliver(&binary, &phone, frame), Delivery::Queued);
    }
    assert_eq!(write_all(phone.outbox()), frames);
}

#[test]
fn the_largest_attachment_fits_a_phone_that_reads_nothing() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    let largest = frame(30_200_000 / 373);
    for _ in 0..373 {
        assert_eq!(deliver(&binary, &phone, &largest), Delivery::Queued);
    }
}

#[test]
fn c42_a_phone_over_its_bound_is_closed_and_its_sibling_is_not() {
    let relay = Relay::with(Limits::default().max_phone_backlog(1 << 20));
    let binary = relay.claim("s");
    let (mut stalled, sibling) = (relay.join("s"), relay.join("s"));
    let large = frame(100_000);
    for _ in 0..10 {
        assert_eq!(deliver(&binary, &stalled, &large), Delivery::Queued);
    }
    assert_eq!(deliver(&binary, &stalled, &large), Delivery::BacklogFull);
    assert_eq!(deliver(&binary, &stalled, "1"), Delivery::PhoneClosing);
    assert_eq!(deliver(&binary, &sibling, "2"), Delivery::Queued);

    assert_eq!(closed_with(stalled.outbox()), (1011, "phone backlog full"));
    assert!(write_all(stalled.outbox()).is_empty());
    assert_eq!(write_all(sibling.outbox()), ["2"]);
    assert_eq!(stalled.leave(Some(1011)), Departure::Notified);
    assert_eq!(write_all(binary.outbox()), [notice(&stalled, 1011)]);
    let stats = relay.registry.stats();
    assert_eq!(stats.frames_to_phones_dropped, 10);
    assert_eq!(stats.backlog_evictions, 0, "it was its own bound");
    assert_eq!(stats.queued_bytes, 0);
}

#[test]
fn the_largest_backlog_goes_first_whoever_sends() {
    let relay = Relay::with(Limits::default().queue_memory(1_000_000));
    let binaries = [relay.claim("even"), relay.claim("odd")];
    let mut phones = Vec::new();
    let mut evicted = Vec::new();
    for (bytes, pushes_out) in [
        (200_000, None),
        (500_000, None),
        (250_000, None),
        (100_000, Some(1)),
        (240_000, None),
        (241_000, Some(2)),
        (230_000, Some(5)),
        (150_000, None),
    ] {
        let number = phones.len() % 2;
        let phone = relay.join(["even", "odd"][number]);
        assert_eq!(
            deliver(&binaries[number], &phone, &frame(bytes)),
            Delivery::Queued
        );
        phones.push(phone);
        evicted.extend(pushes_out);

        let closed: Vec<_> = (0..phones.len())
            .filter(|n| is_evicted(&phones[*n]))
            .collect();
        evicted.sort_unstable();
        assert_eq!(closed, evicted, "after {bytes} more");
        assert!(relay.registry.stats().queued_bytes <= 1_000_000);
    }
    assert_eq!(relay.registry.stats().backlog_evictions, 3);
    assert_eq!(
        closed_with(phones[1].outbox()),
        (1011, "phone backlog full")
    );
}

#[test]
fn one_message_can_push_out_several_backlogs() {
    let relay = Relay::with(Limits::default().queue_memory(1_000_000));
    let binary = relay.claim("s");
    let phones: Vec<_> = (0..4).map(|_| relay.join("s")).collect();
    for phone in &phones[..3] {
        deliver(&binary, phone, &frame(300_000));
    }
    deliver(&binary, &phones[3], &frame(290_000));
    assert_eq!(relay.registry.stats().backlog_evictions, 1);
    deliver(&binary, &phones[3], &frame(700_000));
    assert!(is_evicted(&phones[3]), "now it is the largest itself");
    assert_eq!(relay.registry.stats().backlog_evictions, 2);
    assert!(relay.registry.stats().queued_bytes <= 1_000_000);
}

#[test]
fn what_is_being_written_is_not_a_reason_to_close_a_phone() {
    let relay = Relay::with(Limits::default().queue_memory(1_000_000));
    let binary = relay.claim("s");
    let (writing, queueing) = (relay.join("s"), relay.join("s"));
    deliver(&binary, &writing, &frame(900_000));
    let chunk = writing.outbox().take(Waker::noop(), true).chunk;
    deliver(&binary, &queueing, &frame(100_000));
    assert!(
        !is_evicted(&writing),
        "dropping its queue would free nothing"
    );
    assert!(is_evicted(&queueing));
    writing.outbox().written(chunk.expect("queued"));
    assert_eq!(relay.registry.stats().queued_bytes, 0);
}

#[test]
fn frames_to_a_binary_count_and_push_out_phones() {
    let relay = Relay::with(Limits::default().queue_memory(1_000_000));
    let binary = relay.claim("s");
    let (slow, sender) = (relay.join("s"), relay.join("s"));
    deliver(&binary, &slow, &frame(900_000));
    sender.forward(frame(200_000).as_bytes()).expect("open");
    assert!(is_evicted(&slow));
    assert!(!is_evicted(&sender));
    assert_eq!(
        write_all(binary.outbox()).len(),
        1,
        "nothing towards a binary is dropped"
    );
}

#[test]
fn an_eviction_under_load_is_noticed_like_any_other_end() {
    let relay = Relay::with(Limits::default().queue_memory(1000));
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    assert_eq!(deliver(&binary, &phone, &frame(2000)), Delivery::Queued);
    assert_eq!(closed_with(phone.outbox()), (1011, "phone backlog full"));
    assert_eq!(phone.leave(Some(1011)), Departure::Notified);
}

#[test]
fn whatever_ends_a_leg_returns_its_bytes() {
    struct Case(&'static str, fn(&mut Relay, &mut Binary, &mut Phone));
    let cases = [
        Case("phone left", |_, _, phone| {
            phone.leave(None);
        }),
        Case("binary left", |relay, binary, phone| {
            binary.leave(relay.now);
            phone.leave(None);
        }),
        Case("reclaimed", |relay, binary, _| {
            binary.leave(relay.now);
            drop(relay.claim("s"));
        }),
        Case("taken over", |relay, _, _| {
            drop(relay.take_over(&relay.incumbent("s")));
        }),
        Case("expired", |relay, binary, _| {
            binary.leave(relay.now);
            relay.pass(Duration::from_secs(30));
        }),
        Case("drained", |relay, binary, phone| {
            relay.drain();
            binary.outbox().drop_queued();
            phone.outbox().drop_queued();
        }),
    ];
    for Case(name, end) in cases {
        let mut relay = Relay::new();
        let mut binary = relay.claim("s");
        let mut phone = relay.join("s");
        phone.forward(b"1").expect("open");
        deliver(&binary, &phone, "2");
        assert!(relay.registry.stats().queued_bytes > 0);
        end(&mut relay, &mut binary, &mut phone);
        write_all(binary.outbox());
        assert_eq!(relay.registry.stats().queued_bytes, 0, "{name}");
    }
}

#[test]
fn concurrent_senders_push_out_no_more_than_needed() {
    const SENDERS: usize = 4;
    for _ in 0..200 {
        let relay = Relay::with(Limits::default().queue_memory(4_000_000));
        let binary = relay.claim("s");
        let hoards: Vec<_> = (0..3).map(|_| relay.join("s")).collect();
        for hoard in &hoards {
            deliver(&binary, hoard, &frame(1_300_000));
        }
        let senders: Vec<_> = (0..SENDERS).map(|_| relay.join("s")).collect();
        let barrier = Barrier::new(SENDERS);
        thread::scope(|scope| {
            for phone in &senders {
                let (barrier, binary) = (&barrier, &binary);
                scope.spawn(move || {
                    barrier.wait();
                    deliver(binary, phone, &frame(200_000));
                });
            }
        });
        assert_eq!(relay.registry.stats().backlog_evictions, 1);
        assert!(relay.registry.stats().queued_bytes <= 4_000_000);
    }
}
