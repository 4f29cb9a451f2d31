//! How often one server-id may wake: a token bucket that books ahead, instead of only saying no.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::digest::Digest;

/// The buckets of all server-ids that have woken somebody lately.
///
/// A bucket is one instant, the one at which it is full again (the virtual scheduling algorithm of ITU-T I.371).
#[derive(Debug)]
pub(super) struct Rates {
    full_at: HashMap<Digest, Instant>,
    interval: Duration,
    /// What a bucket holds beyond the one wake that is being booked.
    slack: Duration,
    max_delay: Duration,
    max_servers: usize,
}

impl Rates {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            full_at: HashMap::new(),
            interval: config.rate_interval,
            slack: config.rate_interval * config.burst.saturating_sub(1),
            max_delay: config.wake_lifetime,
            max_servers: config.max_rated_servers.max(1),
        }
    }

    /// When this server-id's next wake may be sent; `None`, and nothing is booked, if that is too far off.
    pub(super) fn book(&mut self, server: Digest, now: Instant) -> Option<Instant> {
        let full_at = self.full_at.get(&server).copied().unwrap_or(now).max(now);
        let due = full_at.checked_sub(self.slack).unwrap_or(now).max(now);
        if due.saturating_duration_since(now) >= self.max_delay {
            return None;
        }
        if !self.full_at.contains_key(&server) {
            self.make_room(now);
        }
        self.full_at.insert(server, full_at + self.interval);
        Some(due)
    }

    /// A full bucket is as good as none. If all are in use, the fullest goes: it loses the least.
    fn make_room(&mut self, now: Instant) {
        if self.full_at.len() < self.max_servers {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() >= self.max_servers
            && let Some((&fullest, _)) = self.full_at.iter().min_by_key(|(_, full_at)| **full_at)
        {
            self.full_at.remove(&fullest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    /// The delays in seconds of wakes asked for at the given seconds; `None` for those refused.
    fn delays(rates: &mut Rates, asked_at: &[u64]) -> Vec<Option<u64>> {
        let start = crate::clock::now();
        asked_at
            .iter()
            .map(|&second| {
                let now = start + Duration::from_secs(second);
                rates
                    .book(server("s"), now)
                    .map(|due| (due - now).as_secs())
            })
            .collect()
    }

    #[test]
    fn o58_six_go_at_once_and_one_more_every_ten_seconds() {
        let mut rates = Rates::new(&Config::default());
        let some = |all: &[u64]| all.iter().copied().map(Some).collect::<Vec<_>>();
        let mut asked_at = vec![0; 7];
        asked_at.extend([10, 20, 29, 600, 600, 600, 600, 600, 600, 600]);
        let expected = [0, 0, 0, 0, 0, 0, 10, 10, 10, 11, 0, 0, 0, 0, 0, 0, 10];
        assert_eq!(delays(&mut rates, &asked_at), some(&expected));
    }

    #[test]
    fn what_would_wait_a_minute_is_refused_and_costs_nothing() {
        let mut rates = Rates::new(&Config::default());
        let mut expected: Vec<_> = [0, 0, 0, 0, 0, 0, 10, 20, 30, 40, 50].map(Some).into();
        expected.extend([None, None, None, Some(59)]);
        let mut asked_at = vec![0; 14];
        asked_at.push(1);
        assert_eq!(delays(&mut rates, &asked_at), expected);
    }

    #[test]
    fn o58_server_ids_do_not_share_a_bucket() {
        let now = crate::clock::now();
        let mut rates = Rates::new(&Config::default());
        while rates.book(server("a"), now).is_some() {}
        assert_eq!(rates.book(server("b"), now), Some(now));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_fullest() {
        let now = crate::clock::now();
        let mut rates = Rates::new(&Config::default().burst(1).max_rated_servers(2));
        let delay = |rates: &mut Rates, name| rates.book(server(name), now).map(|due| due - now);
        let interval = Duration::from_secs(10);
        assert_eq!(delay(&mut rates, "a"), Some(Duration::ZERO));
        assert_eq!(delay(&mut rates, "b"), Some(Duration::ZERO));
        assert_eq!(delay(&mut rates, "b"), Some(interval));
        assert_eq!(delay(&mut rates, "c"), Some(Duration::ZERO));
        assert_eq!(delay(&mut rates, "b"), Some(2 * interval), "b is kept");
        assert_eq!(rates.full_at.len(), 2);
        let later = now + Duration::from_secs(3600);
        assert_eq!(rates.book(server("d"), later), Some(later));
        assert_eq!(rates.full_at.len(), 1, "full buckets are forgotten");
    }
}
