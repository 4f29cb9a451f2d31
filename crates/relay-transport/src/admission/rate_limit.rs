//! A token bucket per client address. Pure: `now` comes in.
//!
//! The table is bounded by keeping two generations: a key that is seen moves to the young one, and when that is full,
//! or old enough that every bucket in the other has filled up again, the other is dropped. What is dropped was
//! neither seen lately nor short of tokens, or more addresses are knocking than the table was made for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::log::{Warn, WarnLimit};

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

#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// The time up to which elapsed time has been turned into tokens.
    counted: Instant,
    /// Made at the first refusal, which most clients never see.
    warnings: Option<Box<WarnLimit>>,
}

/// Too many requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limited {
    /// When the next one is allowed.
    pub(crate) retry_after: Duration,
    /// Whether this refusal is worth a line: a client that is refused over and over must not fill the log.
    pub(crate) warn: Warn,
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
        let bucket = match self.young.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let known = self.old.remove(place.key());
                place.insert(known.unwrap_or(Bucket {
                    tokens: self.burst,
                    counted: now,
                    warnings: None,
                }))
            }
        };
        bucket.refill(now, self.refill, self.burst);
        match bucket.tokens.checked_sub(1) {
            Some(left) => {
                bucket.tokens = left;
                Ok(())
            }
            None => Err(Limited {
                retry_after: (bucket.counted + self.refill).saturating_duration_since(now),
                warn: bucket.warnings.get_or_insert_default().admit(now),
            }),
        }
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

    /// What the refusals of `asks` requests said about the log.
    fn told(limiter: &mut RateLimiter<u32>, key: u32, asks: usize, now: Instant) -> Vec<Warn> {
        let refusals = (0..asks).filter_map(|_| limiter.take(key, now).err());
        refusals.map(|limited| limited.warn).collect()
    }

    #[test]
    fn o38_each_refusal_is_told_until_they_are_a_flood() {
        let (mut limiter, start) = limiter();
        let written = Warn::Write { suppressed: None };
        granted(&mut limiter, 1, 20, start);
        let mut flood = told(&mut limiter, 1, 1_000, start);
        assert_eq!(flood.split_off(10), [Warn::Suppress; 990]);
        assert_eq!(flood, [written; 10]);
        // Nobody else's refusal is left out for it.
        granted(&mut limiter, 2, 20, start);
        assert_eq!(told(&mut limiter, 2, 1, start), [written]);
        // Ten seconds later one token has come in, and the next refusal tells what was left out.
        let later = start + 10 * SECOND;
        let summed = Warn::Write {
            suppressed: Some(990),
        };
        assert_eq!(told(&mut limiter, 1, 3, later), [summed, written]);
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
