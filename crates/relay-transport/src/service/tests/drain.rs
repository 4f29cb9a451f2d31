//! The service in a whole shutdown.

use relay_shutdown::{ShutdownContext, ShutdownReport, shutdown};

use super::*;

async fn shut_down(relay: &Relay) -> ShutdownReport {
    shutdown(
        ShutdownContext::default(),
        &relay.registry,
        &[&relay.service],
    )
    .await
}

fn going_away() -> Frame {
    Frame::close(1001, "shutting down")
}

async fn answer_the_close(mut client: Client) {
    while client.recv().await != going_away() {}
    client.send(close(1001, "")).await;
    client.finish().await;
    assert_eq!(client.recv().await, Frame::End);
}

#[tokio::test(start_paused = true)]
async fn c51_everybody_reads_1001_and_nothing_is_left() {
    let mut relay = Relay::new();
    let binary = relay.upgrade(server("6f1c")).await;
    let phones = [
        relay.upgrade(phone("6f1c")).await,
        relay.upgrade(phone("6f1c")).await,
    ];
    eventually(|| relay.registry.snapshot().phones() == 2).await;
    let [one, other] = phones;
    let elapsed = stopwatch();
    let (report, ..) = tokio::join!(
        shut_down(&relay),
        answer_the_close(binary),
        answer_the_close(one),
        answer_the_close(other),
    );
    assert_eq!((report.binaries, report.phones), (1, 2));
    assert_eq!((report.closed, report.cut), (3, 0));
    assert_eq!(elapsed(), Duration::ZERO);
    assert_eq!(relay.slots(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_claimant_in_a_probe_and_a_peer_in_the_handshake_read_1001_too() {
    let mut relay = Relay::new();
    let incumbent = relay.upgrade(server("6f1c")).await;
    let claimant = relay.upgrade(server("6f1c")).await;
    // Upgraded, but its task has not run when the drain begins.
    let late = relay.upgrade(phone("6f1c"));
    let late = late.await;
    let (report, ..) = tokio::join!(
        shut_down(&relay),
        answer_the_close(incumbent),
        answer_the_close(claimant),
        answer_the_close(late),
    );
    assert_eq!(report.cut, 0);
    assert_eq!(relay.slots(), 0);
}

#[tokio::test(start_paused = true)]
async fn peers_that_do_not_answer_are_cut_in_time() {
    let mut relay = Relay::new();
    relay.pipe_bytes = 64;
    let mut binary = relay.upgrade(server("6f1c")).await;
    let mut stuck = relay.upgrade(phone("6f1c")).await;
    stuck.send(text("1")).await;
    let Frame::Text(envelope) = binary.recv().await else {
        panic!("the phone's frame");
    };
    let frame = format!("\"{}\"}}", "x".repeat(1000));
    binary.send(text(&envelope.replace("1}", &frame))).await;
    stuck.peek().await;
    let elapsed = stopwatch();
    let report = shut_down(&relay).await;
    assert_eq!((report.closed, report.cut), (0, 2));
    assert_eq!(report.frames_dropped, 1);
    assert!(elapsed() <= 11 * SECOND, "{:?}", elapsed());
    assert_eq!(relay.slots(), 0);
    assert_eq!(stuck.recv().await, Frame::Torn);
}
