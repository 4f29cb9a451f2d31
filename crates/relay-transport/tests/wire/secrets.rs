//! What must not be in the log, whatever happens.

use tracing::Level;

use crate::support::frame::{BINARY, Frame, PING};
use crate::support::log::{self, PAYLOAD, PUSH_TOKEN};
use crate::support::raw::Socket;
use crate::support::{Relay, Request, deliver, directive};

fn wake() -> String {
    format!(r#"{{"push_wake":{{"platform":"fcm","token":"{PUSH_TOKEN}"}}}}"#)
}

#[tokio::test]
async fn c47_a_wake_is_dropped_with_a_warning_and_its_token_stays_unsaid() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c47").await;
    binary.send_text(wake()).await;
    binary.send_text(deliver(&id, "1")).await;
    assert_eq!(phone.text().await, "1");
    let line = log::event("c47", "binary_forwarder_push_wake_dropped").await;
    assert_eq!(line.level, Level::WARN);
    assert_eq!(line.field("err"), Some("relay: push is off"));
    assert_eq!(log::count("c47", "binary_forwarder_push_wake_dropped"), 1);
    log::assert_clean();
}

#[tokio::test]
async fn c53_no_log_line_holds_a_token_a_payload_or_a_user_agent() {
    let relay = Relay::start().await;
    let marked = format!(r#""{PAYLOAD}""#);

    // Every way a message can go wrong on either leg, each time with the marker in it.
    let (mut binary, mut phone, id) = relay.pair("c53").await;
    phone.send_text(&marked).await;
    assert!(binary.text().await.contains(PAYLOAD));
    binary.send_text(deliver(&id, &marked)).await;
    assert!(phone.text().await.contains(PAYLOAD));
    for bad in [
        PAYLOAD.to_owned(),
        format!(r#"{{"{PAYLOAD}":1}}"#),
        format!(r#"{{"conn_id":5,"frame":{marked}}}"#),
        format!(r#"{{"conn_id":"{id}","close_code":{marked}}}"#),
        format!(r#"{{"conn_id":"nobody","frame":{marked}}}"#),
        wake(),
    ] {
        binary.send_text(bad).await;
    }
    binary
        .send(Frame::new(BINARY, [PAYLOAD.as_bytes(), b"\xff"].concat()))
        .await;
    binary.send(Frame::new(PING, PAYLOAD)).await;
    let pong = binary.frame().await;
    assert_eq!(pong.payload, PAYLOAD.as_bytes());

    phone.send_text(PAYLOAD).await;
    phone.expect_close(1000, "").await;
    let phone = relay.phone("c53").await;
    phone.close(4999, PAYLOAD).await;
    for offence in [
        Frame::new(0x83, PAYLOAD).masked(),
        Frame::text(marked.clone()).unmasked(),
        Frame::new(0x81, [PAYLOAD.as_bytes(), b"\xff"].concat()).masked(),
        Frame::new(0x88, [b"\x03\xe7", PAYLOAD.as_bytes()].concat()).masked(),
    ] {
        let mut phone = relay.phone("c53").await;
        phone.send_bytes(&offence).await;
        assert!(phone.frame().await.close_status().0 < 1008);
    }
    let (phone, id) = {
        let mut phone = relay.phone_on(Socket::shallow(), "c53").await;
        phone.send_text(&marked).await;
        let id = loop {
            let text = binary.text().await;
            if text.contains(PAYLOAD) {
                break crate::support::envelope::conn_id(&text);
            }
        };
        (phone, id)
    };
    let backlog = format!(r#""{}""#, PAYLOAD.repeat(8_000));
    for _ in 0..20 {
        binary.send_text(deliver(&id, &backlog)).await;
    }
    binary.send_text(directive(&id, 999)).await;
    binary.settle().await;
    phone.reset();
    binary.send_text(deliver(&id, &marked)).await;
    binary.close(4999, PAYLOAD).await;

    // Requests that are refused, and peers that are.
    for request in [
        Request::phone("c53").but("Origin", "http://[::1"),
        Request::phone("c53").but("Sec-WebSocket-Key", PAYLOAD),
        Request::phone("c53").but("Sec-WebSocket-Version", PAYLOAD),
        Request::phone("c53").line(&format!("GET /{PAYLOAD} HTTP/1.1")),
    ] {
        assert!(relay.ask(request).await.status >= 400);
    }
    let refused = relay.dial(Request::phone("c53-none")).await;
    refused.expect_close(4404, "no server with that id").await;

    log::event("c53", "server_released").await;
    for event in [
        "binary_forwarder_unmarshal_err",
        "binary_forwarder_unknown_conn_id",
        "binary_forwarder_push_wake_dropped",
        "phone_forwarder_marshal_err",
        "phone_forwarder_read_end",
        "binary_forwarder_read_end",
    ] {
        assert!(log::count("c53", event) > 0, "{event} was provoked");
    }
    log::assert_clean();
}

#[tokio::test]
async fn long_strings_of_a_peer_are_cut_in_the_log() {
    let relay = Relay::start().await;
    let long = "s".repeat(1_000);
    let request = Request::binary(&long).but("x-pyrycode-version", &"v".repeat(1_000));
    relay.dial(request).await.settle().await;
    let is_it = |line: &log::Line| {
        let id = line.field("server_id").unwrap_or_default();
        line.message == "server_claimed" && id.starts_with("sss")
    };
    let line = log::find("server_claimed", is_it).await;
    for key in ["server_id", "binary_version"] {
        let length = line.field(key).map_or(0, |value| value.chars().count());
        assert!((256..=257).contains(&length), "{key}: {length}");
    }
}
