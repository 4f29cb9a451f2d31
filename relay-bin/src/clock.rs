//! The one place that reads the clocks, but for the time of log records.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// For deadlines; a test's paused clock moves it.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day, which certificates go by.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// The kernel's `CLOCK_MONOTONIC`, which a service manager compares with its own.
pub(crate) fn monotonic() -> Duration {
    clock_gettime(ClockId::Monotonic)
        .try_into()
        .unwrap_or_default()
}
