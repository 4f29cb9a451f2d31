//! How a phone ends, and what its binary is told about it.

use tracing::Level;

use crate::support::frame::{BINARY, CLOSE, Frame};
use crate::support::raw::End;
use crate::support::{RawPeer, Relay, Request, log, notice, routed};

/// Nothing more about the phone: what another phone says is what comes next.
async fn assert_nothing_in_between(relay: &Relay, server_id: &str, binary: &mut RawPeer) {
    let (marker, _) = relay.known_phone(server_id, binary).await;
    drop(marker);
}

#[tokio::test]
async fn c15_a_message_that_is_not_json_ends_its_phone_with_1000() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c15").await;
    let bad = [
        Frame::text("not json"),
        Frame::text(""),
        Frame::text("\u{feff}{}"),
        Frame::text("{} {}"),
        Frame::text("[".repeat(10_001) + &"]".repeat(10_001)),
        Frame::new(BINARY, b"\"\xff\"".as_slice()),
    ];
    for (before, frame) in bad.into_iter().enumerate() {
        let (mut phone, id) = relay.known_phone("c15", &mut binary).await;
        phone.send(frame).await;
        phone.expect_close(1000, "").await;
        assert_eq!(binary.text().await, notice(&id, 1001));
        assert_eq!(log::count("c15", "phone_forwarder_marshal_err"), before + 1);
    }
    let line = log::event("c15", "phone_forwarder_marshal_err").await;
    assert_eq!(line.level, Level::WARN);
    assert_eq!(line.field("err"), Some("relay: frame is not valid JSON"));
    assert_nothing_in_between(&relay, "c15", &mut binary).await;
}

#[tokio::test]
async fn c16_a_good_message_behind_a_bad_one_is_not_forwarded() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c16").await;
    let frames = ["1", "bad", "2"].map(Frame::text);
    phone.send_all(frames).await;
    phone.send_text("3").await;
    phone.expect_close(1000, "").await;
    assert_eq!(binary.text().await, routed(&id, "1"));
    assert_eq!(binary.text().await, notice(&id, 1001));
    assert_nothing_in_between(&relay, "c16", &mut binary).await;
    assert_eq!(log::count("c16", "phone_forwarder_marshal_err"), 1);
}

#[tokio::test]
async fn c26_a_phones_own_close_is_echoed_and_told_to_its_binary() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c26").await;

    let (phone, id) = relay.known_phone("c26", &mut binary).await;
    phone.close(4999, "bye").await;
    assert_eq!(binary.text().await, notice(&id, 4999));

    let (mut phone, id) = relay.known_phone("c26", &mut binary).await;
    phone.send(Frame::new(CLOSE, "")).await;
    assert_eq!(phone.frame().await, Frame::new(CLOSE, ""));
    assert_eq!(phone.next().await, Err(End::Eof));
    assert_eq!(binary.text().await, notice(&id, 1005));

    let (phone, id) = relay.known_phone("c26", &mut binary).await;
    phone.reset();
    assert_eq!(binary.text().await, notice(&id, 1001));

    let (phone, id) = relay.known_phone("c26", &mut binary).await;
    drop(phone);
    assert_eq!(binary.text().await, notice(&id, 1001));
    assert_nothing_in_between(&relay, "c26", &mut binary).await;
}

#[tokio::test]
async fn c27_the_last_frame_comes_before_the_notice() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c27").await;
    for _ in 0..50 {
        let (mut phone, id) = relay.known_phone("c27", &mut binary).await;
        let goodbye = [Frame::text("1"), Frame::text("2"), Frame::close(1000, "")];
        phone.send_all(goodbye).await;
        assert_eq!(binary.text().await, routed(&id, "1"));
        assert_eq!(binary.text().await, routed(&id, "2"));
        assert_eq!(binary.text().await, notice(&id, 1000));
    }
}

#[tokio::test]
async fn c54_a_refused_phone_is_never_mentioned_and_a_silent_one_exactly_once() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c54").await;
    let mut phones = Vec::new();
    for _ in 0..16 {
        phones.push(relay.phone("c54").await);
    }
    for _ in 0..5 {
        let refused = relay.dial(Request::phone("c54")).await;
        refused
            .expect_close(4429, "too many phones for server-id")
            .await;
    }
    // Each of the sixteen leaves without a word.
    let mut told = Vec::new();
    for phone in phones {
        phone.close(1000, "").await;
        let text = binary.text().await;
        assert!(text.ends_with(r#","close_code":1000}"#), "{text}");
        assert!(!told.contains(&text), "told twice: {text}");
        told.push(text);
    }
    assert_nothing_in_between(&relay, "c54", &mut binary).await;
}
