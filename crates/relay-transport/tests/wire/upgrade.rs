//! From the TCP connection to the 101, or to the answer instead of it.

use crate::support::envelope::conn_id;
use crate::support::frame::{Frame, TEXT};
use crate::support::http::{KEY, Response};
use crate::support::raw::End;
use crate::support::{Relay, Request, log, millis, routed};
use relay_core::Limits;
use relay_transport::Config;

/// An absent, an empty and a blank value are all missing.
async fn check_required(relay: &Relay, request: Request, headers: &[&str]) {
    for name in headers {
        let without = request.clone().without(name);
        for (what, request) in [
            ("absent", without.clone()),
            ("empty", without.clone().with(name, "")),
            ("blank", without.with(name, " \t ")),
        ] {
            let response = relay.ask(request).await;
            assert_eq!(response.status, 400, "{what} {name}");
            assert_one_newline(&response);
        }
    }
}

fn assert_one_newline(response: &Response) {
    assert_eq!(response.body, "\n");
    let header = |name| response.header(name).unwrap_or_default();
    assert_eq!(header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn c01_a_binary_without_its_headers_is_answered_400_and_not_logged() {
    let relay = Relay::start().await;
    let required = ["x-pyrycode-server", "x-pyrycode-version", "user-agent"];
    check_required(&relay, Request::binary("c01"), &required).await;
    // Neither a phone's token nor anything else stands in for a version.
    let request = Request::binary("c01").without("x-pyrycode-version");
    let response = relay.ask(request.with("x-pyrycode-token", "t")).await;
    assert_eq!(response.status, 400);
    assert_eq!(log::about("c01").len(), 0);
}

#[tokio::test]
async fn c02_a_phone_without_its_headers_is_answered_400_but_needs_no_device_name() {
    let relay = Relay::start().await;
    let required = ["x-pyrycode-server", "x-pyrycode-token", "user-agent"];
    check_required(&relay, Request::phone("c02"), &required).await;
    assert_eq!(log::about("c02").len(), 0);

    let _binary = relay.binary("c02").await;
    let nameless = Request::phone("c02").without("x-pyrycode-device-name");
    relay.dial(nameless).await.settle().await;
    let registered = log::event("c02", "phone_registered").await;
    assert_eq!(registered.field("device_name"), Some(""));
}

#[tokio::test]
async fn c03_what_is_no_upgrade_is_answered_in_the_order_of_the_checks() {
    let relay = Relay::start().await;
    let full = || Request::phone("c03");
    let check = async |request: Request, status: u16, headers: &[(&str, &str)]| {
        let response = relay.ask(request.clone()).await;
        assert_eq!(response.status, status, "{request:?}");
        for (name, value) in headers {
            assert_eq!(response.header(name), Some(*value), "{request:?}");
        }
    };
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];

    check(full().without("connection"), 426, &upgrade).await;
    check(full().without("upgrade"), 426, &upgrade).await;
    check(full().but("upgrade", "h2c"), 426, &upgrade).await;
    let post = || full().line("POST /v1/client HTTP/1.1");
    check(post().without("connection"), 426, &upgrade).await;
    check(post(), 405, &[("allow", "GET")]).await;
    let old = full().line("GET /v1/client HTTP/1.0");
    check(old, 426, &[("upgrade", "websocket")]).await;

    let version = [("sec-websocket-version", "13")];
    let eight = full().but("sec-websocket-version", "8");
    check(eight, 400, &version).await;
    let none = full().without("sec-websocket-version");
    check(none, 400, &version).await;

    let keyless = full().without("sec-websocket-key");
    check(keyless.clone(), 400, &[]).await;
    check(full().with("sec-websocket-key", KEY), 400, &[]).await;
    for key in [
        "c2hvcnQ=",
        "",
        "not base64 but 24 chars=",
        "dGhlIHNhbXBsZSBub25jZQ",
    ] {
        let request = keyless.clone().with("sec-websocket-key", key);
        check(request, 400, &[]).await;
    }

    // Required headers come before everything else.
    check(post().without("x-pyrycode-token"), 400, &[]).await;
    // Lists and any case are fine.
    let listed = full().but("connection", "keep-alive, UPGRADE");
    relay.dial(listed.but("upgrade", "WebSocket")).await;
}

#[tokio::test]
async fn c04_any_origin_is_welcome_as_long_as_it_is_one() {
    let relay = Relay::start().await;
    for origin in ["https://evil.example", "null", "http://[::1]:8080"] {
        let request = Request::phone("c04").with("Origin", origin);
        relay.dial(request).await;
    }
    let request = Request::phone("c04").with("Origin", "http://[::1");
    assert_eq!(relay.ask(request).await.status, 403);
}

#[tokio::test]
async fn c05_offers_of_protocols_and_extensions_are_ignored() {
    let relay = Relay::start().await;
    let request = Request::binary("c05")
        .with("Sec-WebSocket-Protocol", "foo")
        .with("Sec-WebSocket-Extensions", "permessage-deflate");
    let response = relay.ask(request).await;
    assert_eq!(response.status, 101);
    assert_eq!(response.header("sec-websocket-protocol"), None);
    assert_eq!(response.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn c10_an_unfinished_request_is_cut_without_an_answer() {
    let config = Config::default().handshake_timeout(millis(200));
    let relay = Relay::with(config, Limits::default()).await;
    let whole = Request::phone("c10").bytes();
    for sent in [
        &b""[..],
        b"G",
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 2],
    ] {
        let mut peer = relay.connect().await;
        peer.send_bytes(sent).await;
        assert_eq!(peer.next().await, Err(End::Eof), "{}", sent.escape_ascii());
    }
    assert_eq!(log::about("c10").len(), 0);
}

#[tokio::test]
async fn a_frame_in_the_packet_of_the_request_is_not_lost() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("packet").await;
    let mut phone = relay.connect().await;
    let frame = Frame::text("1").masked();
    let request = Request::phone("packet").bytes();
    phone.send_bytes(&[request, frame].concat()).await;
    assert_eq!(phone.response().await.status, 101);
    let envelope = binary.text().await;
    assert!(envelope.ends_with(r#","frame":1}"#), "{envelope}");
}

#[tokio::test]
async fn header_values_are_bytes_of_which_the_first_counts() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("bytes").await;
    let request = Request::phone("bytes")
        .with("X-Pyrycode-Server", "other")
        .but("X-Pyrycode-Device-Name", "Caf_")
        .bytes();
    // What Node makes of "Café": Latin-1, and no UTF-8.
    let latin: Vec<u8> = request
        .iter()
        .map(|byte| if *byte == b'_' { 0xe9 } else { *byte })
        .collect();
    let mut phone = relay.connect().await;
    phone.send_bytes(&latin).await;
    assert_eq!(phone.response().await.status, 101);
    phone.send_text("1").await;
    let envelope = binary.text().await;
    assert_eq!(envelope, routed(&conn_id(&envelope), "1"));
}

#[tokio::test]
async fn the_other_paths_are_health_readiness_and_404() {
    let config = Config::default().version("9.8.7");
    let relay = Relay::with(config, Limits::default()).await;
    for path in ["/", "/v1/server/", "/V1/server", "/v2/server", "/metrics"] {
        let response = relay.ask(Request::bare("GET", path)).await;
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.body, "404 page not found\n");
    }
    // The query means nothing.
    let query = Request::phone("query").line("GET /v1/client?v=2 HTTP/1.1");
    relay.dial(query).await;

    let (_binary, _phone, _) = relay.pair("health").await;
    let healthz = relay.ask(Request::bare("GET", "/healthz")).await;
    assert_eq!(healthz.status, 200);
    let expected = r#"{"status":"ok","version":"9.8.7","connected_binaries":1,"connected_phones":1,"uptime_seconds":"#;
    assert!(healthz.body.starts_with(expected), "{}", healthz.body);

    let ready = relay.ask(Request::bare("GET", "/readyz")).await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let relay = Relay::start().await;
    let request = Request::phone("large").with("X-Filler", &"f".repeat(17 << 10));
    assert_eq!(relay.ask(request).await.status, 431);
    let request = Request::phone("large").with("X-Filler", &"f".repeat(12 << 10));
    relay.dial(request).await;
}

#[tokio::test]
async fn a_relay_sends_no_greeting() {
    let relay = Relay::start().await;
    let mut binary = relay.dial(Request::binary("greeting")).await;
    binary.send(Frame::ping("first")).await;
    let Ok(first) = binary.next().await else {
        panic!("a pong");
    };
    assert_eq!(first.payload, b"first");
    let mut phone = relay.dial(Request::phone("greeting")).await;
    phone.send_text("1").await;
    let Ok(first) = binary.next().await else {
        panic!("a frame");
    };
    assert_eq!(first.first, TEXT);
}
