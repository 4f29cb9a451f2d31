//! A token bucket per client address. Pure: `now` comes in.
//!
//! The table is bounded by keeping two generations: a key that is seen moves to the young one, and when that is full,
//! or old enough that every bucket in the other has filled up again, the other is dropped. What is dropped was
//! neither seen lately nor short of tokens, or more addresses are knocking than the table was made for.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Token buckets by key.
#[derive(Debug)]
pub(crate) struct RateLimiter<K> {
    burst: u32,
    refill: Duration,
    max_keys: usize,
    young: HashMap<K, Bucket>,
    old: HashMap<K, Bucket>,
    turned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    /// The time up to which elapsed time has been turned into tokens.
    counted: Instant,
}

/// Too many requests: come back after this long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limited {
    pub(crate) retry_after: Duration,
}

impl<K: Hash + Eq> RateLimiter<K> {
    /// `burst` tokens at first, one more per `refill`; at most `max_keys` keys.
    pub(crate) fn new(burst: u32, refill: Duration, max_keys: usize) -> Self {
        Self {
            burst,
            refill,
            max_keys,
            young: HashMap::new(),
            old: HashMap::new(),
            turned: None,
        }
    }

    /// Takes a token of `key`. A refusal costs nothing.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> Result<(), Limited> {
        self.turn(now);
        let known = self
            .young
            .get(&key)
            .copied()
            .or_else(|| self.old.remove(&key));
        let mut bucket = known.unwrap_or(Bucket {
            tokens: self.burst,
            counted: now,
        });
        bucket.refill(now, self.refill, self.burst);
        let taken = match bucket.tokens.checked_sub(1) {
            Some(left) => {
                bucket.tokens = left;
                Ok(())
            }
            None => Err(Limited {
                retry_after: (bucket.counted + self.refill).saturating_duration_since(now),
            }),
        };
        self.young.insert(key, bucket);
        taken
    }

    /// Keys remembered.
    #[cfg(test)]
    fn keys(&self) -> usize {
        self.young.len() + self.old.len()
    }

    fn turn(&mut self, now: Instant) {
        let turned = *self.turned.get_or_insert(now);
        let is_old = now.saturating_duration_since(turned) >= self.refill * self.burst;
        if is_old || self.young.len() >= self.max_keys / 2 {
            self.old = std::mem::take(&mut self.young);
            self.turned = Some(now);
        }
    }
}

impl Bucket {
    /// Whole tokens only; the rest of the elapsed time stays on the account.
    fn refill(&mut self, now: Instant, refill: Duration, burst: u32) {
        let elapsed = now.saturating_duration_since(self.counted);
        let earned =
            u32::try_from(elapsed.as_nanos() / refill.as_nanos().max(1)).unwrap_or(u32::MAX);
        if earned >= burst - self.tokens {
            self.tokens = burst;
            self.counted = now;
        } else {
            self.tokens += earned;
            self.counted += refill * earned;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFILL: Duration = Duration::from_secs(6);
    const SECOND: Duration = Duration::from_secs(1);

    fn limiter() -> (RateLimiter<u32>, Instant) {
        (RateLimiter::new(20, REFILL, 1_000), crate::clock::now())
    }

    fn granted(limiter: &mut RateLimiter<u32>, key: u32, asks: usize, now: Instant) -> usize {
        (0..asks).filter(|_| limiter.take(key, now).is_ok()).count()
    }

    #[test]
    fn o36_a_burst_then_one_per_refill() {
        let (mut limiter, start) = limiter();
        assert_eq!(granted(&mut limiter, 1, 30, start), 20);
        assert_eq!(granted(&mut limiter, 1, 5, start + 5 * SECOND), 0);
        assert_eq!(granted(&mut limiter, 1, 5, start + 6 * SECOND), 1);
        assert_eq!(granted(&mut limiter, 1, 30, start + 200 * SECOND), 20);
    }

    #[test]
    fn o37_polling_every_second_gains_nothing() {
        let (mut limiter, start) = limiter();
        granted(&mut limiter, 1, 20, start);
        let granted: usize = (1..=600)
            .map(|second| granted(&mut limiter, 1, 1, start + second * SECOND))
            .sum();
        assert_eq!(granted, 100);
    }

    #[test]
    fn elapsed_time_short_of_a_token_is_kept() {
        let (mut limiter, start) = limiter();
        granted(&mut limiter, 1, 20, start);
        assert_eq!(granted(&mut limiter, 1, 1, start + 3 * SECOND), 0);
        assert_eq!(granted(&mut limiter, 1, 1, start + 6 * SECOND), 1);
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let (mut limiter, start) = limiter();
        granted(&mut limiter, 1, 20, start);
        let limited = limiter.take(1, start + 2 * SECOND).expect_err("empty");
        assert_eq!(limited.retry_after, 4 * SECOND);
    }

    #[test]
    fn keys_do_not_share_buckets() {
        let (mut limiter, start) = limiter();
        assert_eq!(granted(&mut limiter, 1, 30, start), 20);
        assert_eq!(granted(&mut limiter, 2, 30, start), 20);
    }

    #[test]
    fn the_table_is_bounded_and_a_hammered_key_stays() {
        let (mut limiter, start) = limiter();
        granted(&mut limiter, 0, 20, start);
        for key in 1..100_000 {
            let _ = limiter.take(key, start);
            assert!(
                limiter.take(0, start).is_err(),
                "key 0 was forgotten at {key}"
            );
            assert!(limiter.keys() <= 1_001);
        }
    }
}
