//! Which wakes are taken, when each is sent, and how each ends: all decisions of the waker, with time as an argument.
//!
//! It must not know how anything is sent.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use relay_core::WakeRefused;

use super::dead_tokens::DeadTokens;
use super::rate::Rates;
use super::retry::Backoff;
use super::wake::{End, Ended, Request, Wake};
use crate::config::Config;
use crate::digest::Digest;
use crate::error::SendError;
use crate::fcm::MessageId;
use crate::stats::{Outcome, Stats};

/// Every admitted wake that has not ended and is not being sent, and what decides about the next.
///
/// A wake waits at most its lifetime, in one queue: for its server-id's rate, for a free send, or for a retry.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: BTreeMap<Turn, Wake>,
    /// The waiting wake of a server-id for a device, which takes in further requests for the same.
    ///
    /// Not by device alone: a server-id's wake would wait behind the rate of another.
    turns: HashMap<(Digest, Digest), Turn>,
    rates: Rates,
    dead_tokens: DeadTokens,
    backoff: Backoff,
    wake_lifetime: Duration,
    max_queued: usize,
    max_in_flight: usize,
    is_closed: bool,
    stats: Stats,
    next_id: u64,
    noise: u32,
}

/// When a wake is due; of those due at one time the one asked for first.
type Turn = (Instant, u64);

/// What to do now.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this one, and tell [`Queue::settle`].
    Send(Wake),
    /// This one is over.
    End(Ended),
    /// Nothing until then, or until something changes.
    Wait(Option<Instant>),
}

impl Queue {
    pub(super) fn new(config: &Config, seed: u32) -> Self {
        Self {
            waiting: BTreeMap::new(),
            turns: HashMap::new(),
            rates: Rates::new(config),
            dead_tokens: DeadTokens::new(config),
            backoff: Backoff::new(config),
            wake_lifetime: config.wake_lifetime,
            max_queued: config.max_queued,
            max_in_flight: config.max_in_flight.max(1),
            is_closed: false,
            stats: Stats::default(),
            next_id: 0,
            noise: seed,
        }
    }

    /// Takes a request, alone or into a wake that waits for the same; or refuses it, and counts that.
    ///
    /// A wake being sent takes nothing in: what it announces may be older than the request. A waiting one gets the
    /// request's lifetime, and keeps its turn.
    pub(super) fn admit(&mut self, request: Request, now: Instant) -> Result<(), WakeRefused> {
        if self.is_closed {
            return Err(WakeRefused::Off);
        }
        if self.dead_tokens.contains(request.device, now) {
            self.stats.step(Outcome::Unregistered);
            return Err(WakeRefused::Unregistered);
        }
        let waiting = self
            .turns
            .get(&(request.server, request.device))
            .and_then(|turn| self.waiting.get_mut(turn));
        if let Some(wake) = waiting {
            wake.deadline = now + self.wake_lifetime;
            self.stats.coalesced += 1;
            return Ok(());
        }
        let due = self.turn_of(&request, now);
        let due = due.inspect_err(|_| self.stats.step(Outcome::Dropped))?;
        let wake = Wake::new(self.next_id, request, now, self.wake_lifetime);
        self.next_id += 1;
        self.put(due, wake);
        Ok(())
    }

    /// The queue is looked at first, so that a wake that does not fit costs its server-id nothing.
    fn turn_of(&mut self, request: &Request, now: Instant) -> Result<Instant, WakeRefused> {
        if self.waiting.len() >= self.max_queued {
            return Err(WakeRefused::QueueFull);
        }
        self.rates
            .book(request.server, now)
            .ok_or(WakeRefused::RateLimited)
    }

    /// The next thing to do; to be asked until it says to wait.
    pub(super) fn next(&mut self, now: Instant) -> Step {
        let Some((&turn, wake)) = self.waiting.first_key_value() else {
            return Step::Wait(None);
        };
        let (due, _) = turn;
        if due > now {
            return Step::Wait(Some(due));
        }
        let (deadline, device) = (wake.deadline, wake.device);
        let is_late = deadline <= now;
        let is_dead = self.dead_tokens.contains(device, now);
        if !is_late && !is_dead && self.stats.in_flight >= self.max_in_flight {
            return Step::Wait(Some(deadline));
        }
        let Some(wake) = self.take(turn) else {
            return Step::Wait(None);
        };
        if is_dead {
            Step::End(self.end(wake.ended(End::Unregistered, now)))
        } else if is_late {
            Step::End(self.end(wake.expired(now)))
        } else {
            self.stats.in_flight += 1;
            Step::Send(wake)
        }
    }

    /// How a send went; `None` if the wake waits for another attempt.
    ///
    /// A retry comes into the queue even if it is full: the wake was promised. So the queue may hold as many more as
    /// there may be sends in flight.
    pub(super) fn settle(
        &mut self,
        mut wake: Wake,
        result: Result<Option<MessageId>, SendError>,
        now: Instant,
    ) -> Option<Ended> {
        self.stats.in_flight = self.stats.in_flight.saturating_sub(1);
        let error = match result {
            Ok(id) => return Some(self.end(wake.ended(End::Sent(id), now))),
            Err(error) => error,
        };
        if error.outcome() == Outcome::Unregistered {
            self.dead_tokens.insert(wake.device, now);
        }
        if self.is_closed || !error.is_passing() {
            return Some(self.end(wake.ended(End::Failed(error), now)));
        }
        let retry_after = error.retry_after();
        wake.failed(error);
        let noise = self.next_noise();
        let delay = self.backoff.delay(wake.attempts, retry_after, noise);
        match now.checked_add(delay).filter(|due| *due < wake.deadline) {
            Some(due) => {
                self.stats.retried += 1;
                self.put(due, wake);
                None
            }
            None => Some(self.end(wake.expired(now))),
        }
    }

    /// Refuses everything from now on; whatever waits is over.
    pub(super) fn close(&mut self, now: Instant) -> Vec<Ended> {
        self.is_closed = true;
        self.turns.clear();
        let waiting = std::mem::take(&mut self.waiting);
        let ends = waiting.into_values().map(|wake| {
            let end = End::Failed(SendError::Stopping);
            self.end(wake.ended(end, now))
        });
        ends.collect()
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            queued: self.waiting.len(),
            ..self.stats
        }
    }

    fn put(&mut self, due: Instant, wake: Wake) {
        let turn = (due, wake.id);
        self.turns.entry((wake.server, wake.device)).or_insert(turn);
        self.waiting.insert(turn, wake);
    }

    fn take(&mut self, turn: Turn) -> Option<Wake> {
        let wake = self.waiting.remove(&turn)?;
        let key = (wake.server, wake.device);
        if self.turns.get(&key) == Some(&turn) {
            self.turns.remove(&key);
        }
        Some(wake)
    }

    fn end(&mut self, ended: Ended) -> Ended {
        self.stats.step(ended.outcome());
        ended
    }

    /// A Weyl sequence: spreads well, and is the same again for the same seed.
    fn next_noise(&mut self) -> u32 {
        self.noise = self.noise.wrapping_add(0x9e37_79b9);
        self.noise
    }
}

#[cfg(test)]
mod tests;
