//! Two binaries for one server-id.

use super::*;

fn held() -> Frame {
    Frame::close(4409, "server-id already claimed")
}

/// Silent for so long that its slot went to the claimant.
fn displaced() -> Frame {
    Frame::close(1011, "heartbeat timeout")
}

#[tokio::test(start_paused = true)]
async fn c30_an_incumbent_that_answers_keeps_its_slot() {
    let mut relay = Relay::new();
    let mut incumbent = relay.upgrade(server("6f1c")).await;
    let elapsed = stopwatch();
    let mut claimant = relay.upgrade(server("6f1c")).await;
    assert_eq!(incumbent.recv().await, Frame::Ping(b"1".to_vec()));
    incumbent.send(pong("1")).await;
    assert_eq!(claimant.recv().await, held());
    assert_eq!(elapsed(), Duration::ZERO);
    let mut phone = relay.upgrade(phone("6f1c")).await;
    phone.send(text("1")).await;
    assert!(matches!(incumbent.recv().await, Frame::Text(_)));
}

#[tokio::test(start_paused = true)]
async fn c31_a_silent_incumbent_gives_way_sooner_to_its_own_host() {
    for (host, patience) in [([192, 0, 2, 2], 10), ([192, 0, 2, 1], 3)] {
        let mut relay = Relay::new();
        let (_, mut incumbent) = relay.dial_from([192, 0, 2, 1], server("6f1c")).await;
        let mut phone_left = relay.upgrade(phone("6f1c")).await;
        phone_left.send(ping("")).await;
        phone_left.recv().await;
        let elapsed = stopwatch();
        let (_, mut claimant) = relay.dial_from(host, server("6f1c")).await;
        // What it sends before it is accepted is read afterwards.
        claimant.send(ping("early")).await;
        assert_eq!(incumbent.recv().await, Frame::Ping(b"1".to_vec()));
        assert_eq!(incumbent.recv().await, displaced());
        assert_eq!(elapsed(), patience * SECOND);
        assert_eq!(claimant.recv().await, Frame::Pong(b"early".to_vec()));
        let evicted = Frame::close(4404, "binary reclaimed server-id");
        assert_eq!(phone_left.recv().await, evicted);
        let alive = tokio::time::timeout(40 * SECOND, claimant.recv_alive());
        assert!(alive.await.is_err(), "the successor keeps the slot");
        assert_eq!(relay.registry.snapshot().binaries(), 1);
    }
}

/// The runtime fires its timers before it has asked for what came in while the process was suspended.
#[tokio::test(start_paused = true)]
async fn an_incumbent_that_answers_while_the_relay_is_suspended_keeps_its_slot() {
    let mut relay = Relay::new();
    let mut incumbent = relay.upgrade(server("6f1c")).await;
    let mut claimant = relay.upgrade(server("6f1c")).await;
    assert_eq!(incumbent.recv().await, Frame::Ping(b"1".to_vec()));
    tokio::time::advance(20 * SECOND).await;
    tokio::task::yield_now().await;
    incumbent.send(pong("1")).await;
    assert_eq!(claimant.recv().await, held());
}

#[tokio::test(start_paused = true)]
async fn c32_of_two_claimants_one_wins() {
    let mut relay = Relay::new();
    let _silent = relay.upgrade(server("6f1c")).await;
    let mut one = relay.upgrade(server("6f1c")).await;
    let mut other = relay.upgrade(server("6f1c")).await;
    let loser = tokio::select! {
        frame = one.recv_alive() => frame,
        frame = other.recv_alive() => frame,
    };
    assert_eq!(loser, held());
    assert_eq!(relay.registry.snapshot().binaries(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_incumbent_that_ends_during_the_probe_leaves_its_slot_at_once() {
    let mut relay = Relay::new();
    let mut incumbent = relay.upgrade(server("6f1c")).await;
    let mut claimant = relay.upgrade(server("6f1c")).await;
    assert_eq!(incumbent.recv().await, Frame::Ping(b"1".to_vec()));
    let elapsed = stopwatch();
    drop(incumbent);
    claimant.send(ping("in")).await;
    assert_eq!(claimant.recv().await, Frame::Pong(b"in".to_vec()));
    assert_eq!(elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_a_claimant_sends_during_the_probe_is_read_once_it_is_accepted() {
    let mut relay = Relay::new();
    let _silent = relay.upgrade(server("6f1c")).await;
    let mut claimant = relay.upgrade(server("6f1c")).await;
    // More than is read ahead, which ends inside a frame.
    let ignored = text("{\"unknown\":\"envelope\"}").repeat(5000);
    claimant.send([ignored, ping("last")].concat()).await;
    let elapsed = stopwatch();
    assert_eq!(claimant.recv().await, Frame::Pong(b"last".to_vec()));
    assert_eq!(elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_claimant_that_goes_during_the_probe_displaces_nobody() {
    let mut relay = Relay::new();
    let mut incumbent = relay.upgrade(server("6f1c")).await;
    let mut claimant = relay.upgrade(server("6f1c")).await;
    claimant.send(text("{}")).await;
    assert_eq!(incumbent.recv().await, Frame::Ping(b"1".to_vec()));
    drop(claimant);
    let busy = tokio::time::timeout(20 * SECOND, incumbent.recv());
    assert!(busy.await.is_err(), "it keeps its slot");
    assert_eq!(relay.slots(), 1);
    incumbent.send(pong("1")).await;
    let alive = tokio::time::timeout(60 * SECOND, incumbent.recv_alive());
    assert!(alive.await.is_err(), "nothing but pings");
}
