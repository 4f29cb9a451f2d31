//! The one place of this crate that reads a clock.

use std::time::{Instant, SystemTime};

/// The time of day, which certificates are dated in.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The runtime's time, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}
