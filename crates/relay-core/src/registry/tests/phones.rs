//! Phones: joining, the cap, routing both ways, and the one notice when they go.

use std::sync::Barrier;
use std::task::{Context, Poll};

use super::*;
use crate::testing::{counting_waker, write_all};
use crate::{Delivery, Departure, ForwardError, Forwarded, JoinError};

#[test]
fn c11_a_phone_needs_a_binary() {
    let relay = Relay::new();
    let _other = relay.claim("other");
    let joined = relay.registry.join(&id("s"), relay.now);
    assert!(matches!(joined, Err(JoinError::NoServer)));
    assert_eq!(relay.connected(), (1, 0));
}

#[test]
fn c12_a_frame_is_wrapped_byte_for_byte() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    let frame = r#"{ "h" : "<&>", "n":1.0e+02, "a":1, "a":2 }"#;
    phone.forward(frame.as_bytes()).expect("open");
    assert_eq!(write_all(binary.outbox()), [routed(&phone, frame)]);
    assert_eq!(phone.conn_id().to_string().len(), 39);
}

#[test]
fn c18_a_frame_reaches_its_phone_alone_and_in_order() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let (one, two) = (relay.join("s"), relay.join("s"));
    let frames: Vec<_> = (0..300).map(|number| number.to_string()).collect();
    for frame in &frames {
        assert_eq!(deliver(&binary, &one, frame), Delivery::Queued);
    }
    assert_eq!(write_all(one.outbox()), frames);
    assert!(write_all(two.outbox()).is_empty());
    assert_eq!(relay.registry.stats().frames_to_phones, 300);
}

#[test]
fn c19_a_binary_cannot_reach_the_phones_of_another() {
    let relay = Relay::new();
    let (_one, two) = (relay.claim("1"), relay.claim("2"));
    let phone = relay.join("1");
    assert_eq!(deliver(&two, &phone, "1"), Delivery::UnknownPhone);
    assert_eq!(
        direct(&two, &phone, Some("1"), 4401),
        Delivery::UnknownPhone
    );
    assert!(write_all(phone.outbox()).is_empty());
    assert_eq!(order(phone.outbox()), None);
}

#[test]
fn names_that_were_never_minted_are_unknown() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    let upper = phone.conn_id().to_string().to_uppercase();
    for name in ["", "x", "client-", &upper, &format!(" {}", phone.conn_id())] {
        let delivery = binary.deliver(name, Some(b"1"), Some(4401));
        assert_eq!(delivery, Delivery::UnknownPhone, "{name}");
    }
    assert_eq!(order(phone.outbox()), None);
}

#[test]
fn c26_the_notice_tells_how_the_phone_ended() {
    for (ended_with, told) in [(Some(4999), 4999), (Some(1005), 1005), (None, 1001)] {
        let relay = Relay::new();
        let binary = relay.claim("s");
        let mut phone = relay.join("s");
        assert_eq!(phone.leave(ended_with), Departure::Notified);
        assert_eq!(write_all(binary.outbox()), [notice(&phone, told)]);
    }
}

#[test]
fn c27_the_notice_comes_behind_the_last_frame() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    phone.forward(b"1").expect("open");
    phone.leave(Some(1000));
    assert_eq!(phone.forward(b"2"), Err(ForwardError::Closing));
    let read = write_all(binary.outbox());
    assert_eq!(read, [routed(&phone, "1"), notice(&phone, 1000)]);
}

#[test]
fn c28_a_full_server_id_refuses_and_takes_again_when_one_has_left() {
    let relay = Relay::new();
    let _binaries = [relay.claim("s"), relay.claim("other")];
    let mut phones: Vec<_> = (0..16).map(|_| relay.join("s")).collect();
    let refused = relay.registry.join(&id("s"), relay.now);
    assert!(matches!(refused, Err(JoinError::AtCap)));
    assert!(phones.iter().all(|phone| order(phone.outbox()).is_none()));
    let _elsewhere = relay.join("other");
    phones.pop();
    let _again = relay.join("s");
    assert_eq!(relay.connected(), (2, 17));
}

#[test]
fn c29_ten_concurrent_joins_at_fifteen_let_one_in() {
    for _ in 0..50 {
        let relay = Relay::new();
        let _binary = relay.claim("s");
        let _phones: Vec<_> = (0..15).map(|_| relay.join("s")).collect();
        let barrier = Barrier::new(10);
        let joined = thread::scope(|scope| {
            let dialling: Vec<_> = (0..10)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        relay.registry.join(&id("s"), relay.now)
                    })
                })
                .collect();
            let join = |phone: thread::ScopedJoinHandle<'_, _>| phone.join().unwrap();
            dialling.into_iter().map(join).collect::<Vec<_>>()
        });
        assert_eq!(joined.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(relay.connected(), (1, 16));
    }
}

#[test]
fn c54_a_refused_phone_leaves_no_trace_and_a_silent_one_a_notice() {
    let relay = Relay::with(Limits::default().max_phones_per_server(1));
    let binary = relay.claim("s");
    let phone = relay.join("s");
    let refused = relay.registry.join(&id("s"), relay.now);
    assert!(matches!(refused, Err(JoinError::AtCap)));
    assert!(write_all(binary.outbox()).is_empty());
    let expected = notice(&phone, 1001);
    drop(phone);
    assert_eq!(write_all(binary.outbox()), [expected]);
}

#[test]
fn leaving_happens_once() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let mut phone = relay.join("s");
    assert_eq!(phone.leave(Some(1000)), Departure::Notified);
    assert_eq!(phone.leave(Some(4401)), Departure::NoNoticeDue);
    assert_eq!(relay.connected(), (1, 0));
    let expected = notice(&phone, 1000);
    drop(phone);
    assert_eq!(relay.connected(), (1, 0));
    assert_eq!(write_all(binary.outbox()), [expected]);
}

#[test]
fn leaving_happens_in_a_panic_too() {
    let relay = Relay::new();
    let binary = relay.claim("s");
    let phone = relay.join("s");
    let expected = notice(&phone, 1001);
    let connection = thread::scope(|scope| {
        let connection = scope.spawn(move || {
            phone.forward(b"1").expect("open");
            std::panic::resume_unwind(Box::new(phone));
        });
        connection.join()
    });
    drop(connection);
    assert_eq!(write_all(binary.outbox()).last(), Some(&expected));
    assert_eq!(relay.connected(), (1, 0));
}

#[test]
fn a_full_binary_makes_its_phones_wait_until_there_is_room() {
    let relay = Relay::with(Limits::default().binary_high_water(1000));
    let binary = relay.claim("s");
    let (sender, sibling) = (relay.join("s"), relay.join("s"));
    let large = format!("\"{}\"", "x".repeat(1000));
    assert_eq!(sender.forward(b"1"), Ok(Forwarded::Room));
    assert_eq!(sender.forward(large.as_bytes()), Ok(Forwarded::Full));
    assert_eq!(sibling.forward(b"2"), Ok(Forwarded::Full), "never refused");

    let (wakes, waker) = counting_waker();
    let cx = &mut Context::from_waker(&waker);
    assert_eq!(sender.poll_room(cx), Poll::Pending);
    let read = write_all(binary.outbox());
    assert_eq!(wakes.count(), 1);
    assert_eq!(sender.poll_room(cx), Poll::Ready(()));
    let expected = [
        routed(&sender, "1"),
        routed(&sender, &large),
        routed(&sibling, "2"),
    ];
    assert_eq!(read, expected);
}

#[test]
fn a_phone_waiting_for_room_is_let_go_when_its_binary_ends() {
    struct Case(&'static str, fn(&Relay, &mut Binary));
    let cases = [
        Case("left", |relay, binary| binary.leave(relay.now)),
        Case("drained", |relay, _| relay.drain()),
        Case("displaced", |relay, _| {
            let new = relay.take_over(&relay.incumbent("s")).expect("silent");
            std::mem::forget(new);
        }),
    ];
    for Case(name, end) in cases {
        let relay = Relay::with(Limits::default().binary_high_water(1));
        let mut binary = relay.claim("s");
        let phone = relay.join("s");
        assert_eq!(phone.forward(b"1"), Ok(Forwarded::Full));
        let (wakes, waker) = counting_waker();
        let cx = &mut Context::from_waker(&waker);
        assert!(phone.poll_room(cx).is_pending());
        end(&relay, &mut binary);
        assert!(wakes.count() >= 1, "{name}");
        assert!(phone.poll_room(cx).is_ready(), "{name}");
        assert!(phone.forward(b"2").is_err(), "{name}");
    }
}
