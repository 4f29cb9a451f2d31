//! What the socket tests share: a relay on port 0, peers that hide nothing, and its log.
//!
//! Time is real here. A test waits for a frame, for a state of the registry or for a log line, never for a while.

pub(crate) mod client;
pub(crate) mod envelope;
pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod random;
pub(crate) mod raw;
pub(crate) mod relay;

use std::future::Future;
use std::time::{Duration, Instant};

pub(crate) use envelope::{deliver, directive, last_words, notice, routed};
pub(crate) use frame::Frame;
pub(crate) use http::Request;
pub(crate) use raw::RawPeer;
pub(crate) use relay::Relay;

/// How long anything may take before a test gives up: far above what a busy machine needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A bound that is never reached in a test that passes.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What `wait` comes to, unless that takes too long.
pub(crate) async fn patiently<T>(what: &str, wait: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// Returns once `is_so`: for counters and gauges, which nobody announces.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let mut look = tokio::time::interval(millis(1));
    patiently(what, async {
        while !is_so() {
            look.tick().await;
        }
    })
    .await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of the tests, for latencies and bounds"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
