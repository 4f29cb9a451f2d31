//! Samples off a relay's metrics page.

use std::net::SocketAddr;

use crate::harness::PATIENCE;
use crate::http;

pub(crate) async fn sample(metrics: SocketAddr, series: &str) -> f64 {
    let page = http::get(metrics, "/metrics").await.body;
    let sample = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    sample
        .unwrap_or_else(|| panic!("no {series} in\n{page}"))
        .parse()
        .unwrap()
}

/// Waits until a sample has this value.
pub(crate) async fn becomes(metrics: SocketAddr, series: &str, value: f64) {
    let reached = async {
        while sample(metrics, series).await != value {
            tokio::task::yield_now().await;
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        let last = sample(metrics, series).await;
        panic!("{series} is {last}, not {value}");
    }
}
