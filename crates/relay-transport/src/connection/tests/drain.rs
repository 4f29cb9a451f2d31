//! Drains as one connection sees them: what was accepted goes out, for a while, and then 1001 in any case.

use super::*;

/// A frame that does not fit into a narrow pipe, with a chunk of its own.
fn large(n: usize) -> String {
    format!("\"{n}{}\"", "x".repeat(60_000))
}

fn going_away() -> Frame {
    Frame::close(1001, "shutting down")
}

#[tokio::test(start_paused = true)]
async fn an_idle_leg_is_closed_at_once() {
    let (_binary, mut leg) = Setup::default().phone();
    let elapsed = stopwatch();
    leg.drain(5 * SECOND);
    assert_eq!(leg.client.recv().await, going_away());
    leg.client.send(close(1001, "")).await;
    leg.client.finish().await;
    assert!(leg.ended().await.is_clean());
    assert_eq!(elapsed(), Duration::ZERO);
    assert_eq!(leg.registry.stats().drain_legs_closed, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_takes_in_time_goes_out_before_the_close() {
    let (binary, mut leg) = Setup::narrow().phone();
    for n in 0..10 {
        leg.deliver(&binary, &large(n));
    }
    leg.drain(5 * SECOND);
    for n in 0..10 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(leg.client.recv().await, Frame::Text(large(n)));
    }
    assert_eq!(leg.client.recv().await, going_away());
    leg.client.send(close(1001, "")).await;
    leg.client.finish().await;
    assert!(leg.ended().await.is_clean());
    let stats = leg.registry.stats();
    assert_eq!(
        (stats.drain_frames_flushed, stats.drain_frames_dropped),
        (10, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_does_not_take_in_time_is_dropped_and_the_close_still_goes_out() {
    let (binary, mut leg) = Setup::narrow().phone();
    for n in 0..10 {
        leg.deliver(&binary, &large(n));
    }
    leg.drain(5 * SECOND);
    assert_eq!(leg.client.recv().await, Frame::Text(large(0)));
    leg.client.peek().await;
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(leg.client.recv().await, Frame::Text(large(1)));
    assert_eq!(leg.client.recv().await, going_away());
    leg.client.send(close(1001, "")).await;
    leg.client.finish().await;
    assert!(leg.ended().await.is_clean());
    let stats = leg.registry.stats();
    assert_eq!(
        (stats.drain_frames_flushed, stats.drain_frames_dropped),
        (2, 8)
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_cut_after_the_flush_and_the_close_timeout() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large(0));
    let elapsed = stopwatch();
    leg.drain(5 * SECOND);
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::WriteTimeout)));
    assert_eq!(elapsed(), 10 * SECOND);
    let stats = leg.registry.stats();
    assert_eq!((stats.drain_frames_dropped, stats.drain_legs_cut), (1, 1));
}

/// Drains again after one second, with another time to flush, and tells when the queue was dropped.
async fn dropped_after(first: Duration, second: Duration) -> Duration {
    let (binary, leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large(0));
    leg.deliver(&binary, &large(1));
    let elapsed = stopwatch();
    leg.drain(first);
    tokio::time::sleep(SECOND).await;
    leg.drain(second);
    for _ in 0..200 {
        if leg.registry.stats().drain_frames_dropped > 0 {
            return elapsed();
        }
        tokio::time::sleep(SECOND / 10).await;
    }
    panic!("not dropped in twenty seconds");
}

#[tokio::test(start_paused = true)]
async fn a_second_drain_can_only_shorten_the_flush() {
    let about = |time: Duration| time..=time + SECOND / 5;
    let longer = dropped_after(3 * SECOND, 9 * SECOND).await;
    assert!(about(3 * SECOND).contains(&longer), "{longer:?}");
    // Less time, yet counted from now it would end after the first.
    let later = dropped_after(4 * SECOND, Duration::from_millis(3500)).await;
    assert!(about(4 * SECOND).contains(&later), "{later:?}");
    let shorter = dropped_after(9 * SECOND, 2 * SECOND).await;
    assert!(about(3 * SECOND).contains(&shorter), "{shorter:?}");
    let none = dropped_after(9 * SECOND, Duration::ZERO).await;
    assert!(about(SECOND).contains(&none), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_bounds_the_flush_of_a_directive() {
    let (binary, mut leg) = Setup::narrow().phone();
    for n in 0..3 {
        leg.deliver(&binary, &large(n));
    }
    leg.direct(&binary, 4403);
    leg.client.peek().await;
    leg.drain(2 * SECOND);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(leg.client.recv().await, Frame::Text(large(0)));
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
}

#[tokio::test(start_paused = true)]
async fn a_binary_gets_its_frames_then_a_notice_for_each_phone_then_the_close() {
    let (phone, mut leg) = Setup::narrow().binary();
    phone.forward(b"1").expect("the binary is there");
    leg.drain(5 * SECOND);
    assert!(phone.forward(b"2").is_err(), "too late");
    let conn_id = phone.conn_id();
    for frame in [
        Frame::Text(format!(r#"{{"conn_id":"{conn_id}","frame":1}}"#)),
        Frame::Text(format!(r#"{{"conn_id":"{conn_id}","close_code":1001}}"#)),
        going_away(),
    ] {
        assert_eq!(leg.client.recv().await, frame);
    }
    drop(phone);
    leg.client.send(close(1001, "")).await;
    leg.client.finish().await;
    assert_eq!(leg.client.recv_all().await, []);
    assert!(leg.ended().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn what_is_read_after_the_drain_began_is_discarded() {
    let (binary, mut leg) = Setup::default().phone();
    leg.client.send(text("1")[..3].to_vec()).await;
    leg.drain(5 * SECOND);
    leg.client.send(&text("1")[3..]).await;
    leg.client.send(text("2")).await;
    assert_eq!(leg.client.recv().await, going_away());
    leg.client.send(text("3")).await;
    leg.client.send(close(1001, "")).await;
    leg.client.finish().await;
    leg.ended().await;
    let notice = format!(r#"{{"conn_id":"{}","close_code":1001}}"#, leg.conn_id);
    assert_eq!(frames_in(binary.outbox()), [notice]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_in_the_middle_of_the_peers_own_close_adds_nothing() {
    let (_binary, mut leg) = Setup::default().phone();
    leg.client.send(close(1000, "")).await;
    assert_eq!(leg.client.recv().await, Frame::close(1000, ""));
    leg.drain(5 * SECOND);
    leg.client.finish().await;
    assert_eq!(leg.client.recv_all().await, []);
    assert!(leg.ended().await.is_clean());
}

/// Where a connection can stand when it is cut.
#[tokio::test(start_paused = true)]
async fn a_cut_ends_a_leg_at_once_wherever_it_stands() {
    for moment in ["idle", "stuck", "flushing", "awaiting", "mid-message"] {
        let (binary, mut leg) = Setup::narrow().phone();
        let handles = leg.registry.snapshot();
        match moment {
            "stuck" => leg.deliver(&binary, &large(0)),
            "flushing" => {
                leg.deliver(&binary, &large(0));
                leg.direct(&binary, 4403);
            }
            "awaiting" => leg.direct(&binary, 4403),
            "mid-message" => leg.client.send(frame(TEXT, "1")).await,
            _ => {}
        }
        if !matches!(moment, "idle" | "mid-message") {
            leg.client.peek().await;
        }
        let elapsed = stopwatch();
        for leg in handles.legs() {
            leg.cut();
        }
        let ended = leg.ended().await;
        assert_eq!(elapsed(), Duration::ZERO, "{moment}");
        assert!(!ended.is_clean(), "{moment}");
        assert!(matches!(ended.read_end, Some(ReadEnd::Cut)), "{moment}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_is_aborted_accounts_for_the_frames_it_had_in_hand() {
    let (binary, mut leg) = Setup::narrow().phone();
    for n in 0..3 {
        leg.deliver(&binary, &large(n));
    }
    leg.client.peek().await;
    leg.drain(5 * SECOND);
    leg.abort().await;
    assert_eq!(leg.registry.stats().drain_frames_dropped, 3);
    assert_eq!(leg.client.recv().await, Frame::Torn);
    frames_in(binary.outbox());
    assert_eq!(leg.registry.stats().queued_bytes, 0);
}
