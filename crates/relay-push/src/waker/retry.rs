//! When a failed send is tried again.

use std::time::Duration;

use crate::config::Config;

/// Exponential back-off with jitter; what the other side asks for is a lower bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            first: config.retry_backoff,
            longest: config.max_retry_backoff,
        }
    }

    /// How long to wait after the `attempts`th failure. `noise` is any number, evenly spread.
    pub(super) fn delay(
        self,
        attempts: u32,
        retry_after: Option<Duration>,
        noise: u32,
    ) -> Duration {
        let doublings = attempts.saturating_sub(1).min(16);
        let plain = self.first.saturating_mul(1 << doublings).min(self.longest);
        // From 0.8 to 1.2: an outage that fails many wakes at once does not get them all back at once.
        let spread = 0.8 + 0.4 * f64::from(noise) / f64::from(u32::MAX);
        let delay = plain.mul_f64(spread);
        // Jitter only lengthens what was asked for.
        retry_after.map_or(delay, |asked| {
            asked.saturating_add(delay - plain.mul_f64(0.8)).max(delay)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(attempts: u32, retry_after: Option<u64>, noise: u32) -> u128 {
        let backoff = Backoff::new(&Config::default());
        let retry_after = retry_after.map(Duration::from_secs);
        backoff.delay(attempts, retry_after, noise).as_millis()
    }

    #[test]
    fn doubles_up_to_the_longest() {
        let delays = [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|attempts| millis(attempts, None, 0));
        assert_eq!(delays, [800, 1600, 3200, 6400, 12800, 12800, 12800, 12800]);
        assert_eq!(millis(1, None, u32::MAX), 1200);
        assert_eq!(millis(9, None, u32::MAX), 19200);
    }

    #[test]
    fn what_was_asked_for_is_a_lower_bound() {
        assert_eq!(millis(1, Some(30), 0), 30_000);
        assert_eq!(millis(1, Some(30), u32::MAX), 30_400);
        assert_eq!(millis(5, Some(1), 0), 12_800);
        assert!(millis(1, Some(u64::MAX), u32::MAX) >= u128::from(u64::MAX));
    }
}
