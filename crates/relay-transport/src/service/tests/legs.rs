//! Phones and binaries in conversation, and how either ends.

use super::*;

/// Sends a first frame, so that its binary learns the phone's conn_id.
async fn greet(phone: &mut Client, binary: &mut Client) -> String {
    phone.send(text("\"hello\"")).await;
    let Frame::Text(envelope) = binary.recv_alive().await else {
        panic!("the phone's frame");
    };
    let conn_id = envelope
        .strip_prefix(r#"{"conn_id":""#)
        .and_then(|rest| rest.strip_suffix(r#"","frame":"hello"}"#));
    conn_id.expect("an envelope").to_owned()
}

async fn pair(relay: &mut Relay) -> (Client, Client, String) {
    let mut binary = relay.upgrade(server("6f1c")).await;
    let mut phone = relay.upgrade(phone("6f1c")).await;
    let conn_id = greet(&mut phone, &mut binary).await;
    (binary, phone, conn_id)
}

fn notice(conn_id: &str, code: u16) -> Frame {
    Frame::Text(format!(r#"{{"conn_id":"{conn_id}","close_code":{code}}}"#))
}

fn routed(conn_id: &str, frame: &str) -> Frame {
    Frame::Text(format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#))
}

#[tokio::test(start_paused = true)]
async fn c08_a_refused_phone_gives_its_slot_back() {
    let config = Config::default().max_connections(1);
    let mut relay = Relay::with(Limits::default(), config);
    for _ in 0..3 {
        let mut refused = relay.upgrade(phone("6f1c")).await;
        assert_eq!(
            refused.recv().await,
            Frame::close(4404, "no server with that id")
        );
        assert_eq!(relay.slots(), 1, "until the handshake is over");
        assert_eq!(relay.dial(phone("6f1c")).await.0, 503);
        refused.send(close(1000, "")).await;
        refused.finish().await;
        assert_eq!(refused.recv().await, Frame::End);
        eventually(|| relay.slots() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c12_c17_frames_go_both_ways_byte_for_byte() {
    let mut relay = Relay::new();
    let (mut binary, mut phone, conn_id) = pair(&mut relay).await;
    let odd = "{ \"a\":1.0e+02, \"a\" : \"<\u{2028}>\" }";
    phone.send(text(odd)).await;
    assert_eq!(binary.recv().await, routed(&conn_id, odd));
    phone.send(frame(FIN | BINARY, "null")).await;
    assert_eq!(binary.recv().await, routed(&conn_id, "null"));
    let envelope = format!("{{\"conn_id\":\"{conn_id}\",\"frame\": {odd} ,\"zzz\":1}}");
    binary.send(text(&envelope)).await;
    assert_eq!(phone.recv().await, Frame::text(odd));
}

#[tokio::test(start_paused = true)]
async fn a_frame_in_the_same_segment_as_the_request_is_not_lost() {
    let mut relay = Relay::new();
    let mut binary = relay.upgrade(server("6f1c")).await;
    let eager = [
        phone("6f1c").into_bytes(),
        text("1"),
        text("2")[..4].to_vec(),
    ]
    .concat();
    let mut phone = relay.upgrade(eager).await;
    phone.send(&text("2")[4..]).await;
    for frame in ["1", "2"] {
        let Frame::Text(envelope) = binary.recv().await else {
            panic!("the phone's frame");
        };
        assert!(envelope.ends_with(&format!("\"frame\":{frame}}}")));
    }
}

#[tokio::test(start_paused = true)]
async fn c15_c16_the_first_message_that_is_not_json_ends_the_phone_and_nothing_follows_it() {
    for bad in ["not json", "", "\u{feff}1", "{\"a\":1}}"] {
        let mut relay = Relay::new();
        let (mut binary, mut phone, conn_id) = pair(&mut relay).await;
        phone.send([text(bad), text("\"good\"")].concat()).await;
        assert_eq!(phone.recv().await, Frame::close(1000, ""), "{bad:?}");
        phone.send(close(1000, "")).await;
        phone.finish().await;
        assert_eq!(binary.recv().await, notice(&conn_id, 1001), "{bad:?}");
        assert!(matches!(binary.recv().await, Frame::Ping(_)), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c22_a_directive_goes_out_behind_its_frame_and_earns_no_notice() {
    let mut relay = Relay::new();
    let (mut binary, mut phone, conn_id) = pair(&mut relay).await;
    let directive = format!(r#"{{"conn_id":"{conn_id}","frame":"last","close_code":4401}}"#);
    let late = format!(r#"{{"conn_id":"{conn_id}","frame":"late"}}"#);
    binary.send([text(&directive), text(&late)].concat()).await;
    assert_eq!(phone.recv().await, Frame::text("\"last\""));
    assert_eq!(phone.recv().await, Frame::close(4401, ""));
    phone.send(close(1000, "")).await;
    phone.finish().await;
    assert_eq!(phone.recv().await, Frame::End);
    assert!(matches!(binary.recv().await, Frame::Ping(_)), "no notice");
    assert_eq!(relay.registry.snapshot().phones(), 0);
}

#[tokio::test(start_paused = true)]
async fn c25_a_code_that_may_not_be_sent_closes_with_1011() {
    for code in [1, 999, 1004, 1006, 1015, 2999, 5000, 65_535] {
        let mut relay = Relay::new();
        let (mut binary, mut phone, conn_id) = pair(&mut relay).await;
        let directive = format!(r#"{{"conn_id":"{conn_id}","close_code":{code}}}"#);
        binary.send(text(&directive)).await;
        assert_eq!(phone.recv().await, Frame::close(1011, "invalid close code"));
    }
}

#[tokio::test(start_paused = true)]
async fn c26_c27_a_phones_close_reaches_its_binary_at_once_behind_its_last_frame() {
    for (sent, echo, code) in [
        (close(4999, "bye"), Frame::close(4999, "bye"), 4999),
        (frame(FIN | CLOSE, ""), Frame::Close(None), 1005),
    ] {
        let mut relay = Relay::new();
        let (mut binary, mut phone, conn_id) = pair(&mut relay).await;
        let elapsed = stopwatch();
        phone.send([text("\"last\""), sent].concat()).await;
        assert_eq!(binary.recv().await, routed(&conn_id, "\"last\""));
        assert_eq!(binary.recv().await, notice(&conn_id, code));
        assert_eq!(
            elapsed(),
            Duration::ZERO,
            "the phone has not ended its half"
        );
        assert_eq!(phone.recv().await, echo);
    }
    let mut relay = Relay::new();
    let (mut binary, phone, conn_id) = pair(&mut relay).await;
    drop(phone);
    assert_eq!(binary.recv().await, notice(&conn_id, 1001));
}

#[tokio::test(start_paused = true)]
async fn c28_the_seventeenth_phone_is_told_so() {
    let mut relay = Relay::new();
    let _binary = relay.upgrade(server("6f1c")).await;
    let mut phones = Vec::new();
    for _ in 0..16 {
        phones.push(relay.upgrade(phone("6f1c")).await);
    }
    let mut one_too_many = relay.upgrade(phone("6f1c")).await;
    let full = Frame::close(4429, "too many phones for server-id");
    assert_eq!(one_too_many.recv().await, full);
    phones[0].send(close(1000, "")).await;
    assert_eq!(phones[0].recv().await, Frame::close(1000, ""));
    let mut next = relay.upgrade(phone("6f1c")).await;
    next.send(ping("in")).await;
    assert_eq!(next.recv().await, Frame::Pong(b"in".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_reads_nothing_delays_neither_its_binary_nor_a_sibling() {
    let mut relay = Relay::new();
    relay.pipe_bytes = 4096;
    let (mut binary, stalled, stalled_id) = pair(&mut relay).await;
    let mut sibling = relay.upgrade(phone("6f1c")).await;
    let sibling_id = greet(&mut sibling, &mut binary).await;
    let elapsed = stopwatch();
    let frame = format!("\"{}\"", "x".repeat(10_000));
    for n in 0..100 {
        let envelope = format!(r#"{{"conn_id":"{stalled_id}","frame":{frame}}}"#);
        binary.send(text(&envelope)).await;
        let envelope = format!(r#"{{"conn_id":"{sibling_id}","frame":{n}}}"#);
        binary.send(text(&envelope)).await;
        assert_eq!(sibling.recv().await, Frame::Text(n.to_string()));
    }
    binary.send(ping("hi")).await;
    assert_eq!(binary.recv().await, Frame::Pong(b"hi".to_vec()));
    assert_eq!(elapsed(), Duration::ZERO);
    // Until it has taken nothing for thirty seconds.
    while binary.recv_alive().await != notice(&stalled_id, 1001) {}
    assert_eq!(elapsed(), 30 * SECOND);
    drop(stalled);
}

#[tokio::test(start_paused = true)]
async fn a_binary_that_reads_nothing_is_cut_after_ten_seconds_and_its_phones_end_at_their_next_frame()
 {
    let mut relay = Relay::new();
    relay.pipe_bytes = 4096;
    let (binary, mut phone, _conn_id) = pair(&mut relay).await;
    let frame = format!("\"{}\"", "x".repeat(10_000));
    phone.send(text(&frame)).await;
    phone.send(ping("hi")).await;
    assert_eq!(phone.recv().await, Frame::Pong(b"hi".to_vec()));
    tokio::time::sleep(10 * SECOND - SECOND / 100).await;
    assert_eq!(relay.registry.snapshot().binaries(), 1);
    tokio::time::sleep(SECOND / 50).await;
    assert_eq!(relay.registry.snapshot().binaries(), 0);
    phone.send(text("1")).await;
    assert_eq!(phone.recv().await, Frame::close(1000, ""));
    drop(binary);
}

/// An embedder's way to say "never".
#[tokio::test(start_paused = true)]
async fn endless_timers_are_harmless() {
    let config = Config::default()
        .handshake_timeout(Duration::MAX)
        .message_timeout(Duration::MAX)
        .heartbeat_interval(Duration::MAX)
        .heartbeat_timeout(Duration::MAX)
        .phone_write_timeout(Duration::MAX)
        .binary_write_timeout(Duration::MAX)
        .close_timeout(Duration::MAX)
        .http_drain_timeout(Duration::MAX);
    let mut relay = Relay::with(Limits::default(), config);
    relay.pipe_bytes = 64;
    let (mut binary, mut phone, conn_id) = pair(&mut relay).await;
    phone.send(frame(TEXT, "1")).await;
    let envelope = format!(
        r#"{{"conn_id":"{conn_id}","frame":"{}"}}"#,
        "x".repeat(1000)
    );
    binary.send(text(&envelope)).await;
    tokio::time::sleep(1000 * SECOND).await;
    assert!(matches!(phone.recv().await, Frame::Text(_)));
    phone.send(frame(FIN | CONTINUATION, "not JSON")).await;
    assert_eq!(phone.recv().await, Frame::close(1000, ""));
    assert_eq!(relay.service.shared.tasks.panics(), 0);
}

/// An embedder's way to say "none"; there is no such thing, but neither is there a hang.
#[tokio::test(start_paused = true)]
async fn timers_of_no_length_end_what_they_time_and_nothing_else() {
    let config = Config::default().heartbeat_interval(Duration::ZERO);
    let mut relay = Relay::with(Limits::default(), config);
    let (_binary, mut phone, _conn_id) = pair(&mut relay).await;
    for _ in 0..100 {
        assert!(matches!(phone.recv().await, Frame::Ping(_)));
    }
    let config = Config::default()
        .message_timeout(Duration::ZERO)
        .phone_write_timeout(Duration::ZERO)
        .close_timeout(Duration::ZERO);
    let mut relay = Relay::with(Limits::default(), config);
    let (_binary, mut phone, _conn_id) = pair(&mut relay).await;
    phone.send(frame(TEXT, "1")).await;
    assert_eq!(phone.recv().await, Frame::close(1008, "message timeout"));
}
