//! The one place of this crate that reads a clock.

use std::time::Instant;

/// The runtime's time, so that a paused clock moves it.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
