//! When to ping, and when silence means death. Pure.

use std::time::{Duration, Instant};

use super::Timing;

/// The heartbeat of one connection: a ping per interval, and any inbound byte within the timeout as its answer.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    next_ping: Instant,
    /// When silence since the last unanswered ping becomes death.
    dead_at: Option<Instant>,
    pings: u32,
    seed: u32,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beat {
    Nothing,
    Ping,
    Dead,
}

impl Heartbeat {
    /// `seed` spreads the pings of many connections.
    pub(super) fn new(timing: &Timing, seed: u32, now: Instant) -> Self {
        let mut heartbeat = Self {
            interval: timing.heartbeat_interval,
            timeout: timing.heartbeat_timeout,
            next_ping: now,
            dead_at: None,
            pings: 0,
            seed,
        };
        heartbeat.schedule(now);
        heartbeat
    }

    /// A byte arrived, or a peer that had blocked our write took some: it lives.
    pub(super) fn heard(&mut self) {
        self.dead_at = None;
    }

    pub(super) fn poll(&mut self, now: Instant) -> Beat {
        if self.dead_at.is_some_and(|at| now >= at) {
            return Beat::Dead;
        }
        if now < self.next_ping {
            return Beat::Nothing;
        }
        self.schedule(now);
        self.dead_at.get_or_insert(now + self.timeout);
        Beat::Ping
    }

    /// The next payload, a decimal counter from 1.
    pub(super) fn next_payload(&mut self) -> String {
        self.pings = self.pings.wrapping_add(1);
        self.pings.to_string()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.dead_at
            .map_or(self.next_ping, |at| at.min(self.next_ping))
    }

    fn schedule(&mut self, now: Instant) {
        // xorshift32 (Marsaglia 2003): spreading wants no better randomness.
        self.seed |= 1;
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        let per_mille = 900 + self.seed % 201;
        self.next_ping = now + self.interval * per_mille / 1000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn heartbeat(seed: u32, now: Instant) -> Heartbeat {
        let timing = Timing {
            write_timeout: SECOND,
            close_timeout: SECOND,
            message_timeout: SECOND,
            heartbeat_interval: 30 * SECOND,
            heartbeat_timeout: 30 * SECOND,
        };
        Heartbeat::new(&timing, seed, now)
    }

    #[test]
    fn pings_come_once_an_interval_spread_by_a_tenth() {
        let start = crate::clock::now();
        let mut firsts = Vec::new();
        for seed in 0..1_000 {
            let mut heartbeat = heartbeat(seed, start);
            let first = heartbeat.deadline() - start;
            assert!(first >= 27 * SECOND && first <= 33 * SECOND, "{first:?}");
            assert_eq!(heartbeat.poll(start + 26 * SECOND), Beat::Nothing);
            assert_eq!(heartbeat.poll(start + first), Beat::Ping);
            firsts.push(first);
        }
        firsts.sort();
        firsts.dedup();
        assert!(firsts.len() > 100, "{} different delays", firsts.len());
    }

    #[test]
    fn silence_after_a_ping_is_death_within_sixty_six_seconds() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        let pinged = heartbeat.deadline();
        assert_eq!(heartbeat.poll(pinged), Beat::Ping);
        let mut now = pinged;
        while heartbeat.poll(now) != Beat::Dead {
            now = heartbeat.deadline();
            assert!(now - start <= 66 * SECOND);
        }
        assert_eq!(now - pinged, 30 * SECOND);
        assert!(now - start <= 63 * SECOND);
    }

    #[test]
    fn any_byte_after_the_ping_keeps_it_alive() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        for _ in 0..100 {
            let now = heartbeat.deadline();
            assert_eq!(heartbeat.poll(now), Beat::Ping);
            heartbeat.heard();
        }
    }

    #[test]
    fn a_byte_before_the_ping_does_not_answer_it() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        heartbeat.heard();
        let now = heartbeat.deadline();
        assert_eq!(heartbeat.poll(now), Beat::Ping);
        assert_eq!(heartbeat.poll(now + 30 * SECOND), Beat::Dead);
    }

    #[test]
    fn payloads_count_in_decimal() {
        let mut heartbeat = heartbeat(1, crate::clock::now());
        assert_eq!(heartbeat.next_payload(), "1");
        assert_eq!(heartbeat.next_payload(), "2");
    }
}
