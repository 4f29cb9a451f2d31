//! The one place of this crate that reads a clock.

use std::time::{Instant, SystemTime};

/// The runtime's time, so that a paused test clock moves it.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The calendar's time: for what Google checks against its own, never for measuring.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn calendar() -> SystemTime {
    SystemTime::now()
}
