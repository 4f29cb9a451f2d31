//! A close that the peer begins: echoed as it came, told at once, and given time to end.

use relay_core::Cause;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_echo_is_the_peers_own_close() {
    let longest = "x".repeat(123);
    for (sent, echo, status) in [
        (frame(FIN | CLOSE, ""), Frame::Close(None), 1005),
        (close(1000, ""), Frame::close(1000, ""), 1000),
        (close(1001, "bye"), Frame::close(1001, "bye"), 1001),
        (close(1014, ""), Frame::close(1014, ""), 1014),
        (close(3000, "\u{e9}"), Frame::close(3000, "\u{e9}"), 3000),
        (close(4999, &longest), Frame::close(4999, &longest), 4999),
    ] {
        let (_binary, mut leg) = Setup::default().phone();
        leg.client.send(sent).await;
        assert_eq!(leg.client.recv().await, echo);
        assert_eq!(leg.client.recv().await, Frame::End, "our half is shut");
        leg.client.finish().await;
        let ended = leg.ended().await;
        assert!(ended.is_clean());
        assert_eq!(ended.peer_status, Some(status));
        assert_eq!(ended.notice_code(), Some(status));
        assert!(ended.close.is_none());
        assert_eq!(leg.closed_by(), [ClosedBy::Peer(status)]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_binary_is_told_before_the_connection_lingers() {
    let (binary, mut leg) = Setup::default().phone();
    let elapsed = stopwatch();
    leg.client
        .send([text("1"), close(4999, "bye")].concat())
        .await;
    assert_eq!(leg.client.recv().await, Frame::close(4999, "bye"));
    let notice = format!(r#"{{"conn_id":"{}","close_code":4999}}"#, leg.conn_id);
    let routed = format!(r#"{{"conn_id":"{}","frame":1}}"#, leg.conn_id);
    assert_eq!(frames_in(binary.outbox()), [routed, notice]);
    assert_eq!(leg.registry.snapshot().phones(), 0);
    assert!(leg.is_running(), "the client has not ended its half");
    assert_eq!(elapsed(), Duration::ZERO);
    leg.client.finish().await;
    leg.ended().await;
    assert_eq!(frames_in(binary.outbox()), [""; 0], "exactly one notice");
}

#[tokio::test(start_paused = true)]
async fn a_binary_leaves_its_slot_before_the_connection_lingers() {
    let (_phone, mut leg) = Setup::default().binary();
    leg.client.send(close(1000, "")).await;
    assert_eq!(leg.client.recv().await, Frame::close(1000, ""));
    assert!(leg.is_running());
    let _successor = leg.claim();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closed_and_stays_has_five_seconds() {
    let (_binary, mut leg) = Setup::default().phone();
    let elapsed = stopwatch();
    leg.client.send(close(1000, "")).await;
    let ended = leg.ended().await;
    assert_eq!(elapsed(), 5 * SECOND);
    assert!(ended.is_clean());
}

#[tokio::test(start_paused = true)]
async fn what_follows_the_peers_close_is_not_read_as_frames() {
    let (_binary, mut leg) = Setup::default().phone();
    let sent = [close(1000, ""), text("1"), vec![0xff; 100_000]].concat();
    leg.client.send(sent).await;
    leg.client.finish().await;
    assert_eq!(leg.client.recv_all().await, [Frame::close(1000, "")]);
    assert_eq!(leg.ended().await.peer_status, Some(1000));
    assert_eq!(leg.messages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_half_written_ends_before_the_echo() {
    let (binary, mut leg) = Setup::narrow().phone();
    let half_written = format!("\"{}\"", "x".repeat(1000));
    leg.deliver(&binary, &half_written);
    leg.client.peek().await;
    leg.deliver(&binary, "\"dropped\"");
    leg.client.send(close(1000, "")).await;
    let expected = [Frame::Text(half_written), Frame::close(1000, "")];
    assert_eq!(leg.client.recv_all().await, expected);
    assert_eq!(frames_in(binary.outbox()).len(), 1, "the notice");
    assert_eq!(leg.registry.stats().frames_to_phones_dropped, 1);
    assert_eq!(leg.registry.stats().queued_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn closes_that_cross_are_one_each_way() {
    let (binary, mut leg) = Setup::default().phone();
    leg.client.send(close(1000, "mine")).await;
    leg.direct(&binary, 4403);
    let frames = leg.client.recv_all().await;
    assert_eq!(frames.len(), 1, "{frames:?}");
    leg.client.finish().await;
    let ended = leg.ended().await;
    assert!(ended.is_clean());
    assert_eq!(ended.peer_status, Some(1000));
}

#[tokio::test(start_paused = true)]
async fn the_peers_close_ends_a_flush() {
    let (binary, mut leg) = Setup::narrow().phone();
    for _ in 0..10 {
        leg.deliver(&binary, &format!("\"{}\"", "x".repeat(60_000)));
    }
    leg.direct(&binary, 4403);
    leg.client.peek().await;
    leg.client.send(close(1000, "enough")).await;
    let frames = leg.client.recv_all().await;
    let (last, before) = frames.split_last().unwrap();
    assert_eq!(*last, Frame::close(1000, "enough"));
    assert_eq!(before.len(), 1, "only what was half-written");
    let ended = leg.ended().await;
    let cause = ended.close.map(|close| close.cause);
    assert_eq!(cause, Some(Cause::Directive));
    assert_eq!(leg.closed_by().len(), 1);
}
