//! The one place that reads the clock: the runtime's, which is paused.

use std::time::Duration;

use tokio::time::Instant;

/// When a world began; everything in it is told as the time since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        now() - self.0
    }

    pub(crate) async fn reach(self, time: Duration) {
        tokio::time::sleep_until(self.0 + time).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
