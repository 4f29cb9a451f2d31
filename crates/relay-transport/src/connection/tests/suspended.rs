//! The process was suspended, and the runtime fires its timers before it has asked for what came in meanwhile.
//!
//! What a peer did during the suspension arrives here just after the connection has looked: on a real socket the
//! runtime's own knowledge of it is as late.

use super::*;

/// Longer than any deadline of a connection.
const SUSPENSION: Duration = Duration::from_secs(40);

const PATIENCE: Duration = crate::deadlines::SECOND_LOOK;

/// Passes the time in one step, and lets the connection look.
async fn suspend(leg: &Leg) {
    // What the peer did before is looked at first.
    tokio::time::advance(Duration::ZERO).await;
    let polls = leg.polls.count();
    tokio::time::advance(SUSPENSION).await;
    eventually(|| leg.polls.count() > polls).await;
}

/// Enough time for every deadline that was put off.
async fn second_looks() {
    tokio::time::sleep(PATIENCE + SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn who_has_answered_meanwhile_lives() {
    let (_binary, mut leg) = Setup::default().phone();
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    suspend(&leg).await;
    leg.client.send(pong("1")).await;
    second_looks().await;
    assert!(leg.is_running());
    assert_eq!(leg.closed_by(), []);
}

#[tokio::test(start_paused = true)]
async fn who_stays_silent_is_closed_at_the_second_look() {
    let (_binary, mut leg) = Setup::default().phone();
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    suspend(&leg).await;
    let elapsed = stopwatch();
    while leg.client.recv().await != Frame::close(1011, "heartbeat timeout") {}
    let after = elapsed();
    let grain = Duration::from_millis(1);
    assert!(after >= PATIENCE && after <= PATIENCE + grain, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_is_due_is_not_put_off() {
    let (_binary, mut leg) = Setup::default().phone();
    suspend(&leg).await;
    let elapsed = stopwatch();
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    assert_eq!(elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_sent_whole_meanwhile_counts() {
    let (_binary, mut leg) = Setup::default().phone();
    leg.client.send(frame(TEXT, "1")).await;
    suspend(&leg).await;
    leg.client.send(frame(FIN | CONTINUATION, "2")).await;
    second_looks().await;
    assert!(leg.is_running());
    assert_eq!(leg.messages(), ["12"]);
    assert_eq!(leg.closed_by(), []);
}

#[tokio::test(start_paused = true)]
async fn who_has_taken_meanwhile_what_was_queued_lives() {
    let (binary, mut leg) = Setup::narrow().phone();
    let frame = format!("\"{}\"", "x".repeat(1000));
    leg.deliver(&binary, &frame);
    leg.client.peek().await;
    suspend(&leg).await;
    assert_eq!(leg.client.recv_alive().await, Frame::Text(frame));
    second_looks().await;
    assert!(leg.is_running());
}

#[tokio::test(start_paused = true)]
async fn who_has_answered_the_close_meanwhile_has_closed_in_order() {
    let (binary, mut leg) = Setup::default().phone();
    leg.direct(&binary, 4001);
    assert_eq!(leg.client.recv().await, Frame::close(4001, ""));
    suspend(&leg).await;
    leg.client.send(close(4001, "")).await;
    leg.client.finish().await;
    let ended = leg.ended().await;
    assert_eq!(ended.peer_status, Some(4001), "{ended:?}");
}
