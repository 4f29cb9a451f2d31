//! What is queued goes out whole, in few writes, and flushed; or the stream is given up.

use std::io;

use super::*;

/// A frame that does not fit into a narrow pipe.
fn large() -> String {
    format!("\"{}\"", "x".repeat(1000))
}

#[tokio::test(start_paused = true)]
async fn h13_a_small_message_pins_little_though_it_came_behind_a_large_one() {
    let (binary, mut leg) = Setup::default().phone();
    leg.client
        .send([text(&large().repeat(200)), text("1")].concat())
        .await;
    leg.client.send(close(1000, "")).await;
    leg.client.recv().await;
    let first = binary.outbox().take(std::task::Waker::noop(), true).chunk;
    binary.outbox().written(first.expect("the large one"));
    let left = leg.registry.stats().queued_bytes;
    assert!(left <= 512, "{left} bytes for a message and a notice");
    assert_eq!(frames_in(binary.outbox()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn h14_a_backlog_of_small_frames_is_one_write() {
    let (binary, mut leg) = Setup::default().phone();
    let backlog: Vec<_> = (0..100).map(|n| format!("{{\"n\":{n}}}")).collect();
    for frame in &backlog {
        leg.deliver(&binary, frame);
    }
    for frame in &backlog {
        assert_eq!(leg.client.recv().await, Frame::text(frame));
    }
    let bytes = backlog.iter().map(|frame| 2 + frame.len()).sum();
    assert_eq!(leg.traffic.take(), [Call::Write(bytes), Call::Flush]);
}

#[tokio::test(start_paused = true)]
async fn a_close_goes_out_with_the_last_frames_before_it() {
    let (binary, mut leg) = Setup::default().phone();
    leg.deliver(&binary, "1");
    leg.deliver(&binary, "2");
    leg.direct(&binary, 4403);
    for expected in [Frame::text("1"), Frame::text("2"), Frame::close(4403, "")] {
        assert_eq!(leg.client.recv().await, expected);
    }
    assert_eq!(leg.traffic.take(), [Call::Write(3 + 3 + 4), Call::Flush]);
    assert_eq!(leg.registry.stats().queued_bytes, 0);
    leg.client.send(close(4403, "")).await;
    leg.client.finish().await;
    let ended = leg.ended().await;
    assert!(ended.is_clean() && ended.close_written);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_went_out_with_the_last_frame_is_the_only_one() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.direct(&binary, 4403);
    leg.client.peek().await;
    // While both are on their way: a close of the peer's own, and an eviction.
    leg.client.send(close(1000, "")).await;
    let _successor = leg.evict(binary);
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
    leg.client.finish().await;
    assert_eq!(leg.client.recv().await, Frame::End);
    let ended = leg.ended().await;
    assert!(ended.close_written);
    assert_eq!(ended.peer_status, Some(1000));
    let stats = leg.registry.stats();
    assert_eq!(
        (stats.frames_to_phones, stats.frames_to_phones_dropped),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_is_not_lost_when_only_the_close_behind_it_got_stuck() {
    let setup = Setup {
        pipe_bytes: large().len() + 4 + 1,
        ..Setup::default()
    };
    let (binary, mut leg) = setup.phone();
    leg.deliver(&binary, &large());
    leg.direct(&binary, 4403);
    let ended = leg.ended().await;
    assert!(!ended.close_written);
    let stats = leg.registry.stats();
    assert_eq!(
        (stats.frames_to_phones, stats.frames_to_phones_dropped),
        (1, 0)
    );
    assert_eq!(stats.queued_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn h14_what_gathers_while_a_write_is_stuck_is_one_write_too() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    for _ in 0..10 {
        leg.deliver(&binary, "1");
    }
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    leg.traffic.take();
    for _ in 0..10 {
        assert_eq!(leg.client.recv().await, Frame::text("1"));
    }
    // 64 bytes of room at the most, 30 bytes to write.
    let writes = leg.traffic.take();
    let accepted = |call: &&Call| matches!(call, Call::Write(_));
    assert!(writes.iter().filter(accepted).count() <= 1, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn h14_a_single_frame_is_not_kept_waiting_for_company() {
    let (binary, mut leg) = Setup::default().phone();
    let elapsed = stopwatch();
    for n in 0..10 {
        leg.deliver(&binary, "1");
        assert_eq!(leg.client.recv().await, Frame::text("1"));
        assert_eq!(leg.traffic.take(), [Call::Write(3), Call::Flush], "{n}");
    }
    assert_eq!(elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn h15_everything_is_flushed_through_a_stream_that_holds_bytes_back() {
    let setup = Setup {
        fault: Fault::HoldsBack,
        pipe_bytes: 64,
        ..Setup::default()
    };
    let (binary, mut leg) = setup.phone();
    let elapsed = stopwatch();
    leg.deliver(&binary, &large());
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    leg.client.send(ping("hi")).await;
    assert_eq!(leg.client.recv().await, Frame::Pong(b"hi".to_vec()));
    assert_eq!(elapsed(), Duration::ZERO);
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    leg.direct(&binary, 4403);
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
    let calls = leg.traffic.take();
    assert_eq!(calls.last(), Some(&Call::Flush));
    let writes = |call: &[Call]| matches!(call[0], Call::Write(_));
    for pair in calls.windows(2).filter(|pair| writes(pair)) {
        assert_eq!(pair[1], Call::Flush, "each of these batches is one write");
    }
}

#[tokio::test(start_paused = true)]
async fn h15_a_flush_that_the_peer_holds_up_is_cut_like_a_write() {
    let setup = Setup {
        fault: Fault::HoldsBack,
        pipe_bytes: 64,
        ..Setup::default()
    };
    let (binary, mut leg) = setup.phone();
    let elapsed = stopwatch();
    leg.deliver(&binary, &large());
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::WriteTimeout)));
    assert_eq!(elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn h15_a_close_counts_as_out_only_when_it_is_flushed() {
    let setup = Setup {
        fault: Fault::HoldsBack,
        pipe_bytes: 64,
        ..Setup::default()
    };
    let (binary, mut leg) = setup.phone();
    leg.deliver(&binary, &large());
    leg.direct(&binary, 4403);
    let ended = leg.ended().await;
    assert!(!ended.close_written, "the peer took only a part");
}

#[tokio::test(start_paused = true)]
async fn h16_a_stream_that_accepts_nothing_is_given_up_at_once() {
    let setup = Setup {
        fault: Fault::AcceptsNothing,
        ..Setup::default()
    };
    let (binary, mut leg) = setup.phone();
    let elapsed = stopwatch();
    leg.deliver(&binary, "1");
    let ended = leg.ended().await;
    let kind = match ended.read_end {
        Some(ReadEnd::WriteFailed(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind, io::ErrorKind::WriteZero);
    assert_eq!(leg.traffic.take(), [Call::Write(0)], "tried once");
    assert!(leg.polls.count() <= 2);
    assert_eq!(elapsed(), Duration::ZERO);
    assert_eq!(leg.registry.stats().frames_to_phones_dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn h17_nothing_follows_a_write_that_timed_out() {
    let (binary, mut leg) = Setup::narrow().phone();
    let elapsed = stopwatch();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    leg.deliver(&binary, "\"never\"");
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::WriteTimeout)));
    assert_eq!(elapsed(), 30 * SECOND);
    assert!(!ended.close_written && ended.close.is_none());
    assert_eq!(leg.client.recv().await, Frame::Torn);
    let stats = leg.registry.stats();
    assert_eq!(
        (stats.frames_to_phones, stats.frames_to_phones_dropped),
        (0, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn h17_a_close_ordered_over_a_stuck_write_never_gets_into_its_frame() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    let elapsed = stopwatch();
    let _successor = leg.evict(binary);
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::WriteTimeout)));
    assert_eq!(elapsed(), 5 * SECOND);
    assert!(!ended.close_written);
    assert_eq!(leg.client.recv().await, Frame::Torn);
}

#[tokio::test(start_paused = true)]
async fn frames_are_whole_however_few_bytes_a_write_accepts() {
    for pipe_bytes in [1, 2, 3, 7] {
        let setup = Setup {
            pipe_bytes,
            ..Setup::default()
        };
        let (binary, mut leg) = setup.phone();
        let frames: Vec<_> = [0, 1, 123, 124, 125, 126, 300, 65_536]
            .map(|len| format!("\"{}\"", "x".repeat(len)))
            .into();
        for frame in &frames {
            leg.deliver(&binary, frame);
        }
        leg.direct(&binary, 4403);
        for frame in frames {
            assert_eq!(leg.client.recv().await, Frame::Text(frame));
        }
        assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
        assert_eq!(leg.registry.stats().queued_bytes, 0);
    }
}
