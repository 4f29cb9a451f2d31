//! Durations of single events, and their percentiles.

use std::time::Duration;

/// Kept at most: what comes later is not looked at, so that a long run stays bounded.
const MAX_SAMPLES: usize = 2_000_000;

#[derive(Debug, Default)]
pub(crate) struct Samples(Vec<u64>);

impl Samples {
    pub(crate) fn add(&mut self, duration: Duration) {
        if self.0.len() < MAX_SAMPLES {
            self.0
                .push(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Count, median, 99th percentile and maximum, in microseconds.
    pub(crate) fn summary(mut self) -> serde_json::Value {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let at = |share: usize| self.0.get(last * share / 100).map(|ns| *ns as f64 / 1e3);
        serde_json::json!({
            "count": self.0.len(), "p50_us": at(50), "p99_us": at(99), "max_us": at(100),
        })
    }
}
