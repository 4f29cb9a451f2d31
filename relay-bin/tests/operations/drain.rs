//! A stop, from the first signal to the exit code.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use relay_bin::Signal;
use relay_bin::exit::Exit;

use crate::harness::Relay;
use crate::http;
use crate::peers::{binary, close_code, phone};

#[expect(
    clippy::disallowed_methods,
    reason = "how long a stop takes is what is tested"
)]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn o61_every_peer_reads_1001_and_the_exit_is_0() {
    let relay = Relay::start(&[]).await;
    let mut peers = vec![binary(relay.addr, "s").await];
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    peers.push(phone(relay.addr, "s").await);
    peers.push(phone(relay.addr, "s").await);
    relay
        .metric_becomes("pyrycode_relay_connected_phones", 2.0)
        .await;
    let start = now();
    relay.stop().await;
    for peer in peers {
        assert_eq!(close_code(peer).await, 1001);
    }
    assert_eq!(relay.exit().await, Exit::Ok);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn o62_a_silent_peer_is_cut_at_the_deadline_and_the_page_stays_until_then() {
    let relay = Relay::start(&["--drain-deadline=1s"]).await;
    let _silent = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    relay.stop().await;
    relay.metric_becomes("pyrycode_relay_draining", 1.0).await;
    assert!(http::try_get(relay.addr, "/readyz").await.is_none());
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o62_a_second_signal_cuts_at_once() {
    let relay = Relay::start(&["--drain-deadline=1m"]).await;
    let mut silent = binary(relay.addr, "s").await;
    silent.flush().await.unwrap();
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let start = now();
    relay.stop().await;
    // Means nothing now, and takes nothing from the next one.
    relay.send(Signal::Reload).await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
    assert!(start.elapsed() < Duration::from_secs(3));
}
