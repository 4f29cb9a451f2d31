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

impl Heartbeat {
    /// `seed` spreads the pings of many connections, over moments that are whole steps from `epoch`: connections that
    /// share both interval and epoch are woken together, some eighty of ten thousand at a time.
    pub(super) fn new(timing: &Timing, seed: u32, epoch: Instant, now: Instant) -> Self {
        let interval = timing.heartbeat_interval;
        let step = interval / STEPS;
        let next = epoch + step * (whole_steps(now.saturating_duration_since(epoch), step) + 1);
        let mut heartbeat = Self {
            interval,
            timeout: timing.heartbeat_timeout,
            next_ping: next,
            dead_at: None,
            pings: 0,
            seed,
        };
        // One less than the most, since the first step is a part of one.
        let steps = LEAST_STEPS + heartbeat.random() % (MOST_STEPS - LEAST_STEPS);
        heartbeat.next_ping += step * steps;
        heartbeat
    }

    /// A byte arrived, or a peer that had blocked our write took some: it lives.
    pub(super) fn heard(&mut self) {
        self.dead_at = None;
    }

    /// When to ping next.
    pub(super) fn next_ping(&self) -> Instant {
        self.next_ping
    }

    /// When silence becomes death; `None` while no ping waits for an answer.
    pub(super) fn dead_at(&self) -> Option<Instant> {
        self.dead_at
    }

    /// Whether it is time for a ping, which then has to be sent.
    pub(super) fn is_ping_due(&mut self, now: Instant) -> bool {
        if now < self.next_ping {
            return false;
        }
        self.schedule(now);
        self.dead_at.get_or_insert(now + self.timeout);
        true
    }

    /// The next payload, a decimal counter from 1.
    pub(super) fn next_payload(&mut self) -> String {
        self.pings = self.pings.wrapping_add(1);
        self.pings.to_string()
    }

    fn schedule(&mut self, now: Instant) {
        let step = self.interval / STEPS;
        // A process that was suspended does not catch up on pings.
        let missed = whole_steps(now.saturating_duration_since(self.next_ping), step);
        let steps = LEAST_STEPS + self.random() % (MOST_STEPS - LEAST_STEPS + 1);
        self.next_ping += step * missed.saturating_add(steps);
    }

    /// xorshift32 (Marsaglia 2003): spreading wants no better randomness.
    fn random(&mut self) -> u32 {
        self.seed |= 1;
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        self.seed
    }
}

/// Steps of an interval: of 30 s, 234 ms each. Waking the thread for one ping alone costs more than the ping.
const STEPS: u32 = 128;

/// An interval and a tenth less, in whole steps.
const LEAST_STEPS: u32 = 116;

/// An interval and a tenth more.
const MOST_STEPS: u32 = 140;

fn whole_steps(time: Duration, step: Duration) -> u32 {
    let steps = time.as_nanos().checked_div(step.as_nanos());
    u32::try_from(steps.unwrap_or_default()).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timing() -> Timing {
        Timing {
            write_timeout: SECOND,
            close_timeout: SECOND,
            message_timeout: SECOND,
            heartbeat_interval: 30 * SECOND,
            heartbeat_timeout: 30 * SECOND,
        }
    }

    fn heartbeat(seed: u32, now: Instant) -> Heartbeat {
        Heartbeat::new(&timing(), seed, now, now)
    }

    #[test]
    fn pings_come_once_an_interval_spread_by_a_tenth() {
        let start = crate::clock::now();
        let mut firsts = Vec::new();
        for seed in 0..1_000 {
            let mut heartbeat = heartbeat(seed, start);
            let first = heartbeat.next_ping() - start;
            assert!(first >= 27 * SECOND && first <= 33 * SECOND, "{first:?}");
            assert!(!heartbeat.is_ping_due(start + 26 * SECOND));
            assert!(heartbeat.is_ping_due(start + first));
            firsts.push(first);
        }
        firsts.sort();
        firsts.dedup();
        assert_eq!(firsts.len() as u32, MOST_STEPS - LEAST_STEPS);
    }

    #[test]
    fn connections_of_any_age_are_woken_at_the_same_moments() {
        let epoch = crate::clock::now();
        let step = 30 * SECOND / STEPS;
        for (seed, age) in (0..500).zip((0..).step_by(77)) {
            let start = epoch + Duration::from_millis(age);
            let mut heartbeat = Heartbeat::new(&timing(), seed, epoch, start);
            let mut last = start;
            for _ in 0..5 {
                let next = heartbeat.next_ping();
                assert_eq!((next - epoch).as_nanos() % step.as_nanos(), 0);
                let wait = next - last;
                assert!(wait >= 27 * SECOND && wait <= 33 * SECOND, "{wait:?}");
                assert!(heartbeat.is_ping_due(next));
                heartbeat.heard();
                last = next;
            }
        }
    }

    #[test]
    fn a_suspended_process_pings_once_and_goes_on_from_there() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        let woken = start + 1_000 * SECOND;
        assert!(heartbeat.is_ping_due(woken));
        heartbeat.heard();
        let wait = heartbeat.next_ping() - woken;
        assert!(wait >= 26 * SECOND && wait <= 33 * SECOND, "{wait:?}");
    }

    #[test]
    fn silence_after_a_ping_is_death_within_sixty_six_seconds() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        assert_eq!(heartbeat.dead_at(), None);
        let pinged = heartbeat.next_ping();
        assert!(heartbeat.is_ping_due(pinged));
        let dead_at = heartbeat.dead_at().expect("a ping waits for an answer");
        assert_eq!(dead_at - pinged, 30 * SECOND);
        assert!(dead_at - start <= 63 * SECOND);
        // A further ping is no reprieve.
        assert!(heartbeat.is_ping_due(pinged + 34 * SECOND));
        assert_eq!(heartbeat.dead_at(), Some(dead_at));
    }

    #[test]
    fn any_byte_after_the_ping_keeps_it_alive() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        for _ in 0..100 {
            assert!(heartbeat.is_ping_due(heartbeat.next_ping()));
            heartbeat.heard();
            assert_eq!(heartbeat.dead_at(), None);
        }
    }

    #[test]
    fn a_byte_before_the_ping_does_not_answer_it() {
        let start = crate::clock::now();
        let mut heartbeat = heartbeat(7, start);
        heartbeat.heard();
        let now = heartbeat.next_ping();
        assert!(heartbeat.is_ping_due(now));
        assert_eq!(heartbeat.dead_at(), Some(now + 30 * SECOND));
    }

    #[test]
    fn payloads_count_in_decimal() {
        let mut heartbeat = heartbeat(1, crate::clock::now());
        assert_eq!(heartbeat.next_payload(), "1");
        assert_eq!(heartbeat.next_payload(), "2");
    }
}
