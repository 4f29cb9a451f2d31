//! A close that the relay makes: one frame, at a frame's boundary, readable whatever is under way, and not for ever.

use relay_core::{Cause, CloseCode};

use super::*;

/// A frame that does not fit into a narrow pipe.
fn large() -> String {
    format!("\"{}\"", "x".repeat(1000))
}

fn evicted() -> Frame {
    Frame::close(4404, "binary reclaimed server-id")
}

#[tokio::test(start_paused = true)]
async fn an_immediate_close_waits_for_the_frame_under_way_and_drops_the_others() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    leg.deliver(&binary, "\"dropped\"");
    let _successor = leg.evict(binary);
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    assert_eq!(leg.client.recv().await, evicted());
    leg.client.send(close(1000, "")).await;
    leg.client.finish().await;
    assert_eq!(leg.client.recv().await, Frame::End);
    assert!(leg.ended().await.is_clean());
    let stats = leg.registry.stats();
    assert_eq!(
        (stats.frames_to_phones, stats.frames_to_phones_dropped),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_directive_waits_for_everything_queued() {
    let (binary, mut leg) = Setup::narrow().phone();
    for _ in 0..3 {
        leg.deliver(&binary, &large());
    }
    leg.direct(&binary, 4403);
    let late = binary.deliver(&leg.conn_id, Some(b"\"late\""), None);
    assert_eq!(late, relay_core::Delivery::PhoneClosing);
    for _ in 0..3 {
        assert_eq!(leg.client.recv().await, Frame::Text(large()));
    }
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
}

#[tokio::test(start_paused = true)]
async fn a_close_without_a_status_is_empty() {
    let (binary, mut leg) = Setup::default().phone();
    leg.direct(&binary, 1005);
    assert_eq!(leg.client.recv().await, Frame::Close(None));
}

#[tokio::test(start_paused = true)]
async fn h18_data_in_flight_is_skipped_until_the_peers_close_and_then_our_half_is_shut() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.direct(&binary, 4403);
    // Far more than the pipe holds: it takes a relay that reads on.
    leg.client.send(text("1").repeat(20_000)).await;
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
    leg.client.send(frame(TEXT, "half a message")).await;
    leg.client.send(ping("unanswered")).await;
    assert!(!leg.traffic.take().contains(&Call::Shutdown));
    leg.client.send(close(4403, "")).await;
    assert_eq!(leg.client.recv().await, Frame::End);
    assert!(leg.traffic.take().contains(&Call::Shutdown));
    leg.client.finish().await;
    let ended = leg.ended().await;
    assert!(ended.is_clean());
    assert_eq!(ended.peer_status, Some(4403));
    assert_eq!(frames_in(binary.outbox()), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn h18_one_close_frame_goes_out_however_many_are_asked_for() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    leg.direct(&binary, 4403);
    leg.client.send(text("not JSON")).await;
    let successor = leg.evict(binary);
    leg.drain(SECOND);
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
    leg.drain(SECOND);
    leg.client.send(frame(FIN | 0x3, "an offence")).await;
    leg.client.send(close(1000, "")).await;
    assert_eq!(leg.client.recv_all().await, []);
    drop(successor);
    leg.client.finish().await;
    let ended = leg.ended().await;
    let first = ended.close.expect("it was the relay's");
    assert_eq!((first.code.get(), first.cause), (4403, Cause::Directive));
    assert_eq!(leg.closed_by().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_late_has_five_seconds_for_its_close_and_its_end_together() {
    for (answers_at, ends_at, lasts, is_clean) in [
        (Some(0), Some(0), 0, true),
        (Some(4), Some(4), 4, true),
        (Some(4), None, 5, true),
        (None, Some(3), 3, false),
        (None, None, 5, false),
    ] {
        let (binary, mut leg) = Setup::default().phone();
        let elapsed = stopwatch();
        leg.direct(&binary, 4403);
        assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
        for second in 0..5 {
            if answers_at == Some(second) {
                leg.client.send(close(1000, "")).await;
            }
            if ends_at == Some(second) {
                leg.client.finish().await;
                break;
            }
            tokio::time::sleep(SECOND).await;
        }
        let ended = leg.ended().await;
        let row = format!("answers at {answers_at:?}, ends at {ends_at:?}");
        assert_eq!(elapsed(), lasts * SECOND, "{row}");
        assert!(ended.close_written, "{row}");
        assert_eq!(ended.is_clean(), is_clean, "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_a_stuck_frame_byte_by_byte_still_reads_the_close() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    let _successor = leg.evict(binary);
    let elapsed = stopwatch();
    leg.client.byte().await.expect("the one that was looked at");
    let mut taken = 1;
    while taken < 900 {
        tokio::time::sleep(4 * SECOND).await;
        leg.client.byte().await.expect("not cut");
        taken += 1;
    }
    assert!(elapsed() > 3000 * SECOND);
    while taken < 4 + 1002 {
        leg.client.byte().await.expect("not cut");
        taken += 1;
    }
    assert_eq!(leg.client.recv().await, evicted());
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_peer_still_gets_the_close() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    let _successor = leg.evict(binary);
    leg.client.finish().await;
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    assert_eq!(leg.client.recv().await, evicted());
    assert_eq!(leg.client.recv().await, Frame::End);
    let ended = leg.ended().await;
    assert!(ended.close_written && ended.peer_status.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_peer_still_gets_the_queue_that_a_directive_flushes() {
    let (binary, mut leg) = Setup::narrow().phone();
    for _ in 0..3 {
        leg.deliver(&binary, &large());
    }
    leg.direct(&binary, 4403);
    leg.client.peek().await;
    leg.client.finish().await;
    let frames = leg.client.recv_all().await;
    assert_eq!(frames.len(), 4);
    assert_eq!(frames.last(), Some(&Frame::close(4403, "")));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_read_even_by_a_peer_that_has_ended_its_half() {
    let close = Close::refused(CloseCode::NO_SERVER, "no server with that id");
    let refusal = || Frame::close(4404, "no server with that id");

    let mut leg = Setup::default().refused(close);
    leg.client.finish().await;
    assert_eq!(leg.client.recv_all().await, [refusal()]);
    leg.ended().await;

    let mut leg = Setup::narrow().refused(close);
    leg.client.send(text("1").repeat(10_000)).await;
    assert_eq!(leg.client.recv().await, refusal());
    leg.client.send(super::close(1000, "")).await;
    leg.client.finish().await;
    assert!(leg.ended().await.is_clean());
    assert_eq!(leg.messages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_peer_that_never_reads_is_cut() {
    let setup = Setup {
        pipe_bytes: 1,
        ..Setup::default()
    };
    let elapsed = stopwatch();
    let mut leg = setup.refused(Close::refused(
        CloseCode::NO_SERVER,
        "no server with that id",
    ));
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::WriteTimeout)));
    assert!(!ended.close_written);
    assert_eq!(elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_phones_answer_to_a_close_is_told_before_the_connection_lingers() {
    let (binary, mut leg) = Setup::default().phone();
    while leg.client.recv().await != Frame::close(1011, "heartbeat timeout") {}
    leg.client.send(close(1011, "")).await;
    assert_eq!(leg.client.byte().await, None, "our half is shut");
    let notice = format!(r#"{{"conn_id":"{}","close_code":1011}}"#, leg.conn_id);
    assert_eq!(frames_in(binary.outbox()), [notice]);
    assert_eq!(leg.registry.snapshot().phones(), 0);
    assert!(leg.is_running(), "the client has not ended its half");
    leg.client.finish().await;
    leg.ended().await;
    assert_eq!(frames_in(binary.outbox()), [""; 0], "exactly one notice");
}

#[tokio::test(start_paused = true)]
async fn the_notice_has_the_code_of_the_peers_answer_or_1001() {
    for (answer, code) in [(Some(close(4999, "")), 4999), (None, 1001)] {
        let (binary, mut leg) = Setup::default().phone();
        // Silence: the heartbeat closes it.
        while leg.client.recv().await != Frame::close(1011, "heartbeat timeout") {}
        if let Some(answer) = answer {
            leg.client.send(answer).await;
        }
        leg.client.finish().await;
        leg.ended().await;
        let notice = format!(r#"{{"conn_id":"{}","close_code":{code}}}"#, leg.conn_id);
        assert_eq!(frames_in(binary.outbox()), [notice]);
    }
}
