//! How long to wait, and how early to renew: the arithmetic of a schedule.

use std::time::{Duration, SystemTime};

use super::config::AcmeConfig;
use crate::certificate::Validity;

/// The bounds of [`AcmeConfig`] that a schedule needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) retry_delay: Duration,
    pub(super) max_retry_delay: Duration,
    max_renewal_lead: Duration,
    pub(super) window_interval: Duration,
}

/// A number in 0..1, drawn by the caller.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Draw(f64);

impl Draw {
    /// A number that is not in 0..1 is brought there.
    pub(super) const fn new(number: f64) -> Self {
        Self(number.clamp(0.0, 1.0))
    }

    /// Without randomness from the system it is a half, which merely spreads nothing.
    pub(super) fn random() -> Self {
        Self::new(getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX)))
    }

    /// That share of `duration`.
    pub(super) fn of(self, duration: Duration) -> Duration {
        duration.mul_f64(self.0)
    }
}

/// An authority is not asked in a rush, however short its certificates are.
const SHORTEST_PACE: Duration = Duration::from_secs(1);

impl Bounds {
    pub(super) fn of(config: &AcmeConfig) -> Self {
        Self {
            retry_delay: config.retry_delay,
            max_retry_delay: config.max_retry_delay,
            max_renewal_lead: config.max_renewal_lead,
            window_interval: config.window_interval,
        }
    }

    /// These bounds for a certificate of that lifetime: a short one leaves no time for long waits. With a thirtieth of it
    /// at most, the last third, in which it is renewed, has room for ten attempts.
    pub(super) fn paced(&self, lifetime: Duration) -> Self {
        let longest = (lifetime / 30).max(SHORTEST_PACE);
        Self {
            retry_delay: self.retry_delay.min(longest),
            max_retry_delay: self.max_retry_delay.min(longest),
            ..*self
        }
    }

    pub(super) fn renewal(&self, validity: Validity) -> SystemTime {
        validity.not_after - (validity.lifetime() / 3).min(self.max_renewal_lead)
    }

    /// Twice as long after each failure.
    pub(super) fn back_off(&self, failures: u32, draw: Draw) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let delay = self.retry_delay.saturating_mul(1 << doublings);
        self.spread(delay.min(self.max_retry_delay), draw)
    }

    /// Between three and five quarters of it, so that many relays do not knock together.
    pub(super) fn spread(&self, delay: Duration, draw: Draw) -> Duration {
        delay * 3 / 4 + draw.of(delay / 2)
    }

    pub(super) fn longest_wait(&self) -> Duration {
        self.max_retry_delay.max(self.retry_delay) * 2
    }
}
