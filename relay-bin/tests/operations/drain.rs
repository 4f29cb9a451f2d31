//! A stop, from the first signal to the exit code.

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use relay_bin::Signal;
use relay_bin::exit::Exit;
use tokio::net::TcpStream;

use crate::executable::{Executable, events};
use crate::harness::Relay;
use crate::peers::{binary, close_code, next_close, phone, rest_of};

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
async fn o61_the_executable_drains_on_either_signal_lets_nobody_in_and_tells_it_once() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let relay = Executable::start(&[], &["--log-format=json"]).await;
        let mut binary = binary(relay.addr, "s").await;
        relay
            .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
            .await;
        let mut phone = phone(relay.addr, "s").await;
        relay
            .metric_becomes("pyrycode_relay_connected_phones", 1.0)
            .await;
        let start = now();
        relay.signal(signal);
        for peer in [&mut phone, &mut binary] {
            let close = next_close(peer).await;
            assert_eq!((close.code.into(), &*close.reason), (1001, "shutting down"));
        }
        // The closes are answered with the next read only. The accept loop hears of the stop in its own turn.
        while let Ok(_late) = TcpStream::connect(relay.addr).await {
            tokio::task::yield_now().await;
        }
        let draining = relay.metric("pyrycode_relay_draining").await;
        assert_eq!(draining, 1.0, "the refusal is not that of an end");
        rest_of(phone).await;
        rest_of(binary).await;
        let ended = relay.exit().await;
        assert_eq!(ended.code, Some(0));
        assert!(start.elapsed() < Duration::from_secs(2));
        for once in ["shutdown signal received; draining", "shutdown complete"] {
            assert_eq!(events(&ended.log, &[once]).len(), 1, "{once}");
        }
        let complete = &events(&ended.log, &["shutdown complete"])[0];
        for (key, value) in [("binaries", 1), ("phones", 1), ("closed", 2), ("cut", 0)] {
            assert_eq!(complete[key], value, "{complete}");
        }
    }
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
    // The accept loop hears of it in its own turn.
    while TcpStream::connect(relay.addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(relay.metric("pyrycode_relay_draining").await, 1.0);
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
