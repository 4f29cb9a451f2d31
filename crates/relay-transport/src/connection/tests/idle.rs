//! A connection that has nothing to do does nothing: it is polled for events and timers, and never for itself.

use super::*;

/// A frame that does not fit into a narrow pipe.
fn large() -> String {
    format!("\"{}\"", "x".repeat(1000))
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn an_idle_leg_is_polled_for_its_heartbeat_only() {
    let (_binary, mut leg) = Setup::default().phone();
    let idle = tokio::time::timeout(TEN_MINUTES, leg.client.recv_alive());
    assert!(idle.await.is_err(), "nothing but pings");
    // 23 pings at the most, each with a timer before it and a pong behind it.
    let polls = leg.polls.count();
    assert!(polls <= 1 + 23 * 3, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_leg_is_polled_for_its_timers_only() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.ended().await;
    let polls = leg.polls.count();
    assert!(polls <= 5, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn pushes_for_a_stalled_leg_do_not_wake_it() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    tokio::task::yield_now().await;
    let before = leg.polls.count();
    for _ in 0..100 {
        leg.deliver(&binary, "1");
        tokio::task::yield_now().await;
    }
    assert_eq!(leg.polls.count(), before);
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_waits_for_a_close_or_lingers_is_polled_for_its_end_only() {
    let (binary, mut awaiting) = Setup::default().phone();
    awaiting.direct(&binary, 4403);
    let (_binary, mut lingering) = Setup::default().phone();
    lingering.client.send(close(1000, "")).await;
    let (_binary, mut deaf) = Setup::default().phone();
    deaf.client.send(frame(FIN | 0x3, "")).await;
    let elapsed = stopwatch();
    for leg in [&mut awaiting, &mut lingering, &mut deaf] {
        leg.ended().await;
        let polls = leg.polls.count();
        assert!(polls <= 5, "{polls} polls");
    }
    assert_eq!(elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_paused_leg_is_polled_for_its_heartbeat_only() {
    let setup = Setup {
        limits: relay_core::Limits::default().binary_high_water(100),
        ..Setup::default()
    };
    let (_binary, mut leg) = setup.phone();
    leg.client.send(text(&large()).repeat(20)).await;
    let paused = tokio::time::timeout(TEN_MINUTES, async {
        while matches!(leg.client.recv().await, Frame::Ping(_)) {}
    });
    assert!(paused.await.is_err(), "nothing but pings");
    assert_eq!(leg.messages().len(), 1);
    let polls = leg.polls.count();
    assert!(polls <= 2 + 23 * 3, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_leg_that_flushes_slowly_is_polled_once_per_byte_taken() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.direct(&binary, 4403);
    leg.client.peek().await;
    leg.client.finish().await;
    for _ in 0..50 {
        leg.client.byte().await.expect("not cut");
        tokio::time::sleep(20 * SECOND).await;
    }
    let polls = leg.polls.count();
    assert!(polls <= 10 + 50 * 3, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_message_costs_one_poll() {
    let (binary, mut leg) = Setup::default().phone();
    leg.client.send(text("0")).await;
    leg.deliver(&binary, "0");
    leg.client.recv().await;
    let before = leg.polls.count();
    for _ in 0..100 {
        leg.client.send(text("1")).await;
        leg.deliver(&binary, "1");
        assert_eq!(leg.client.recv().await, Frame::text("1"));
    }
    assert_eq!(leg.polls.count() - before, 100);
    assert_eq!(leg.messages().len(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_without_end_lets_others_have_their_turn() {
    let setup = Setup {
        pipe_bytes: 4 << 20,
        ..Setup::default()
    };
    let (_phone, mut leg) = setup.binary();
    let flood = text(&large()).repeat(3000);
    leg.client.send(&flood).await;
    leg.client.send(ping("")).await;
    leg.client.recv().await;
    assert_eq!(leg.messages().len(), 3000);
    // At most 512 KiB a turn.
    let polls = leg.polls.count();
    assert!(polls >= flood.len() >> 19, "{polls} polls");
}
