//! Frames one way, envelopes the other.

use relay_core::{Limits, envelope};
use relay_transport::Config;
use tracing::Level;

use crate::support::envelope::conn_id;
use crate::support::frame::{BINARY, CONTINUATION, FIN, Frame, TEXT};
use crate::support::{RawPeer, Relay, Request, deliver, log, routed};

#[tokio::test]
async fn c11_a_phone_without_a_binary_reads_4404_after_its_101() {
    let relay = Relay::start().await;
    let mut phone = relay.dial(Request::phone("c11")).await;
    // Even with a frame of its own under way.
    let _ = phone.try_send(Frame::text("1")).await;
    phone.expect_close(4404, "no server with that id").await;
    let line = log::event("c11", "phone_register_no_server").await;
    assert_eq!(line.keys(), ["server_id", "remote"]);
    assert_eq!(relay.registry.stats().connected_phones, 0);
}

#[tokio::test]
async fn c12_a_frame_reaches_the_binary_in_an_envelope() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c12").await;
    let mut phone = relay.phone("c12").await;
    phone.send_text(r#"{"a": 1 }"#).await;
    let frame = binary.frame().await;
    assert_eq!(frame.first, TEXT);
    let envelope = String::from_utf8(frame.payload).expect("UTF-8");
    let id = conn_id(&envelope);
    assert_eq!(envelope, routed(&id, r#"{"a": 1 }"#));
    let hex = id.strip_prefix("client-").expect("the prefix");
    assert_eq!(hex.len(), 32);
    assert!(hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
}

#[tokio::test]
async fn c13_the_bytes_of_a_frame_are_not_touched() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c13").await;
    for frame in [
        "{\"h\":\"<&>\u{2028} (raw)\",\"n\":1.0e+02,\"a\":1,\"a\":2}",
        "  [ 1 ,\t2 ]\r\n",
        r#"{"x":"\ud800 \/ \u003C","big":123456789012345678901234567890}"#,
        "\"\u{10ffff}\"",
    ] {
        phone.send_text(frame).await;
        assert_eq!(binary.text().await, routed(&id, frame));
    }
    let deep = "[".repeat(envelope::MAX_DEPTH) + &"]".repeat(envelope::MAX_DEPTH);
    phone.send_text(&deep).await;
    assert_eq!(binary.text().await, routed(&id, &deep));
}

#[tokio::test]
async fn c14_binary_and_fragmented_messages_of_any_json_arrive_as_text() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c14").await;
    for value in ["null", "7", r#""x""#, "[]", "{}", "true", "-0.5e-7"] {
        phone.send_text(value).await;
        phone.send(Frame::new(BINARY, value)).await;
        let fragments = [
            Frame::new(TEXT & !FIN, &value[..1]),
            Frame::ping("between"),
            Frame::new(CONTINUATION, ""),
            Frame::new(CONTINUATION | FIN, &value[1..]),
        ];
        phone.send_all(fragments).await;
        for _ in 0..3 {
            assert_eq!(binary.text().await, routed(&id, value));
        }
    }
    // A character in two fragments.
    let [first, second] = ["\"é", "\""].map(|s| s.as_bytes().to_vec());
    let (first, moved) = (first[..2].to_vec(), [&first[2..], &second].concat());
    phone.send(Frame::new(TEXT & !FIN, first)).await;
    phone.send(Frame::new(CONTINUATION | FIN, moved)).await;
    assert_eq!(binary.text().await, routed(&id, "\"é\""));
}

#[tokio::test]
async fn c17_a_phone_gets_the_exact_bytes_of_its_frame() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c17").await;
    let envelope = format!(r#"{{"conn_id":"{id}","frame": {{ "x" : "<" }} ,"zzz":1}}"#);
    binary.send_text(envelope).await;
    let frame = phone.frame().await;
    assert_eq!(frame, Frame::text(r#"{ "x" : "<" }"#));
}

#[tokio::test]
async fn c18_only_the_phone_that_is_meant_gets_its_frames_in_order() {
    let relay = Relay::start().await;
    let (mut binary, mut one, id) = relay.pair("c18").await;
    let (mut two, other) = relay.known_phone("c18", &mut binary).await;
    let frames = (0..300).map(|n| Frame::text(deliver(&id, &n.to_string())));
    binary.send_all(frames).await;
    binary.send_text(deliver(&other, r#""last""#)).await;
    for n in 0..300 {
        assert_eq!(one.text().await, n.to_string());
    }
    assert_eq!(two.text().await, r#""last""#);
}

#[tokio::test]
async fn c19_a_binary_cannot_reach_another_ones_phone() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c19").await;
    let mut stranger = relay.binary("c19-other").await;
    stranger.send_text(deliver(&id, r#""stolen""#)).await;
    stranger.settle().await;
    let line = log::event("c19-other", "binary_forwarder_unknown_conn_id").await;
    assert_eq!(line.level, Level::WARN);
    assert_eq!(line.field("conn_id"), Some(&*id));
    binary.send_text(deliver(&id, r#""own""#)).await;
    assert_eq!(phone.text().await, r#""own""#);
}

#[tokio::test]
async fn c20_bad_envelopes_are_dropped_and_the_binary_stays() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c20").await;
    let of_phone = |rest: &str| format!(r#"{{"conn_id":"{id}",{rest}}}"#);
    let bad = [
        "not-json".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#"{"frame":{}}"#.to_owned(),
        r#"{"conn_id":"x"}"#.to_owned(),
        of_phone(r#""frame":null"#),
        of_phone(r#""close_code":70000"#),
        of_phone(r#""close_code":"1""#),
    ];
    for text in &bad {
        binary.send_text(text).await;
    }
    binary.send_text(deliver(&id, "1")).await;
    assert_eq!(phone.text().await, "1");
    let event = "binary_forwarder_unmarshal_err";
    assert_eq!(log::count("c20", event), bad.len());
    assert_eq!(log::event("c20", event).await.level, Level::WARN);

    for _ in 0..100 {
        let hundred = (0..100).map(|_| Frame::text("not-json"));
        binary.send_all(hundred).await;
    }
    binary.send_text(deliver(&id, "2")).await;
    assert_eq!(phone.text().await, "2");
    phone.send_text("3").await;
    assert_eq!(binary.text().await, routed(&id, "3"));
    // A flood is counted, not written.
    assert!(log::count("c20", event) <= 2 * 10);
    binary.close(1000, "").await;
    log::event("c20", "server_released").await;
    let suppressed: usize = log::about("c20")
        .iter()
        .filter_map(|line| line.field("suppressed")?.parse::<usize>().ok())
        .sum();
    assert_eq!(log::count("c20", event) + suppressed, bad.len() + 10_000);
    assert_eq!(log::count("c20", "binary_forwarder_warnings_suppressed"), 1);
}

#[tokio::test]
async fn c21_keys_match_in_any_case_and_the_last_duplicate_wins() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("c21").await;
    let envelope = format!(r#"{{"CONN_ID":"{id}","frame":1,"frame":2}}"#);
    binary.send_text(envelope).await;
    assert_eq!(phone.text().await, "2");
}

/// Reads `n` frames numbered by `check`.
async fn read_numbered(peer: &mut RawPeer, n: usize, expected: impl Fn(usize) -> String) {
    for at in 0..n {
        assert_eq!(peer.text().await, expected(at));
    }
}

#[tokio::test]
async fn a_burst_behind_the_handshake_reaches_a_reading_phone_whole() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("burst").await;
    let kib = "k".repeat(1000);
    let frame = |n: usize| format!(r#""{n:03}{kib}""#);
    binary
        .send_all((0..300).map(|n| Frame::text(deliver(&id, &frame(n)))))
        .await;
    read_numbered(&mut phone, 300, frame).await;
}

#[tokio::test]
async fn the_largest_legitimate_frames_pass_both_ways() {
    let relay = Relay::with(Config::default(), Limits::default()).await;
    let (mut binary, mut phone, id) = relay.pair("chunks").await;
    let frame = |n: usize| format!(r#""{n:05}{}""#, "A".repeat(87_500));
    for n in 0..20 {
        phone.send_text(frame(n)).await;
        binary.send_text(deliver(&id, &frame(n))).await;
    }
    read_numbered(&mut phone, 20, frame).await;
    read_numbered(&mut binary, 20, |n| routed(&id, &frame(n))).await;
}
