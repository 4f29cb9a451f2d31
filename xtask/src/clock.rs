//! The one place that reads the clock.

use std::time::{Duration, Instant};

/// Measures how long something took, from its creation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self(now())
    }

    /// Time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        now().duration_since(self.0)
    }
}

/// The moment that is this far away.
pub(crate) fn after(duration: Duration) -> tokio::time::Instant {
    tokio::time::Instant::from_std(now()) + duration
}

#[expect(clippy::disallowed_methods, reason = "the clock module of this crate")]
fn now() -> Instant {
    Instant::now()
}
