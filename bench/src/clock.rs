//! The one place that reads the clock.

use std::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the clock module of this crate")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
