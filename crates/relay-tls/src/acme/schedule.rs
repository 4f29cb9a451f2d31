//! When to do what about one domain's certificate: a pure machine that is told the time and what happened.
//!
//! It runs on the time of day, since that is what certificates are dated in. Every wait it asks for is bounded, so a
//! clock that is set, or a machine that slept, is noticed.

use std::time::{Duration, SystemTime};

use super::bounds::{Bounds, Draw};
use super::config::AcmeConfig;
use super::failure::Retry;
use crate::certificate::Validity;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    /// Get a certificate.
    Issue,
    /// Put the one that was got into the cache, where it is not yet.
    Store,
    /// Ask the authority when it would like the certificate renewed (RFC 9773).
    AskWindow,
}

/// The state of one domain.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    bounds: Bounds,
    held: Option<Held>,
    /// Failures since the last certificate.
    failures: u32,
    /// Of those, how many in a row were worth a quick retry.
    hasty: u32,
    issue_after: Option<SystemTime>,
    store_at: Option<SystemTime>,
    ask_at: Option<SystemTime>,
}

/// A certificate that is being served.
#[derive(Clone, Copy, Debug)]
struct Held {
    validity: Validity,
    /// The authority's window, and the moment in it that was drawn for us.
    suggested: Option<(Validity, SystemTime)>,
}

/// A nonce that was stale is no reason to wait; eight in a row are.
const MAX_HASTY: u32 = 8;
const HASTY_DELAY: Duration = Duration::from_secs(1);

/// An authority answers with when to ask again, usually some hours; a day is the most we wait.
const MAX_WINDOW_INTERVAL: Duration = Duration::from_secs(24 * 3_600);

/// After a question that was not answered.
const WINDOW_RETRY_DELAY: Duration = Duration::from_secs(6 * 3_600);

/// The longest nap of the driver: what a set clock or a suspended machine can cost.
const MAX_NAP: Duration = Duration::from_secs(600);

impl Schedule {
    /// For a domain with this certificate in the cache, or none.
    ///
    /// The first question about its renewal is asked later, not at once: a restart shall need no authority.
    pub(super) fn new(config: &AcmeConfig, cached: Option<Validity>, now: SystemTime) -> Self {
        let bounds = Bounds::of(config);
        Self {
            bounds,
            held: cached.map(|validity| Held {
                validity,
                suggested: None,
            }),
            failures: 0,
            hasty: 0,
            issue_after: None,
            store_at: None,
            ask_at: cached.map(|_| now + bounds.window_interval),
        }
    }

    /// What is due now, the most important first.
    pub(super) fn due(&self, now: SystemTime) -> Option<Task> {
        let may_issue = self.issue_after.is_none_or(|after| {
            // A wait longer than any we ask for is a clock that was put back.
            now >= after || after > now + self.bounds.longest_wait()
        });
        let is_past = |at: Option<SystemTime>, longest: Duration| {
            at.is_some_and(|at| now >= at || at > now + longest)
        };
        if may_issue && self.renew_at().is_none_or(|at| now >= at) {
            Some(Task::Issue)
        } else if is_past(self.store_at, self.bounds.longest_wait()) {
            Some(Task::Store)
        } else if is_past(self.ask_at, self.longest_question_wait()) {
            Some(Task::AskWindow)
        } else {
            None
        }
    }

    /// How long nothing will be due, or less.
    pub(super) fn nap(&self, now: SystemTime) -> Duration {
        let issue_at = self.issue_after.max(self.renew_at());
        [issue_at, self.store_at, self.ask_at]
            .into_iter()
            .flatten()
            .map(|at| at.duration_since(now).unwrap_or_default())
            .fold(MAX_NAP, Duration::min)
    }

    /// A certificate was issued. One that is due again at once, for its days are odd, waits as a failure would.
    pub(super) fn issued(&mut self, validity: Validity, now: SystemTime) {
        self.held = Some(Held {
            validity,
            suggested: None,
        });
        self.failures = 0;
        self.hasty = 0;
        self.issue_after = Some(now + self.pace().retry_delay);
        self.store_at = Some(now);
        self.ask_at = Some(now + self.bounds.window_interval);
    }

    /// No certificate was issued.
    pub(super) fn failed(&mut self, retry: Retry, now: SystemTime, draw: Draw) {
        self.failures = self.failures.saturating_add(1);
        let pace = self.pace();
        let delay = match retry {
            Retry::Hasty if self.hasty < MAX_HASTY => {
                self.hasty += 1;
                HASTY_DELAY.min(pace.retry_delay)
            }
            Retry::Hasty | Retry::BackOff => {
                self.hasty = 0;
                pace.back_off(self.failures, draw)
            }
            Retry::Rarely => self.bounds.spread(self.bounds.max_retry_delay, draw),
            Retry::After(wait) => wait.min(self.bounds.longest_wait()).max(HASTY_DELAY),
        };
        self.issue_after = Some(now + delay);
    }

    pub(super) fn stored(&mut self) {
        self.store_at = None;
    }

    /// The cache could not be written; it is tried again at leisure, for what it holds back is only the next restart.
    pub(super) fn not_stored(&mut self, now: SystemTime, draw: Draw) {
        self.store_at = Some(now + self.bounds.spread(self.bounds.max_retry_delay / 4, draw));
    }

    /// The authority told its window. The moment drawn in it stays while the window does.
    pub(super) fn window(
        &mut self,
        window: Validity,
        ask_again: Duration,
        now: SystemTime,
        draw: Draw,
    ) {
        self.ask_at = Some(
            now + ask_again
                .min(MAX_WINDOW_INTERVAL)
                .max(self.bounds.window_interval),
        );
        if let Some(held) = &mut self.held
            && held.suggested.is_none_or(|(known, _)| known != window)
        {
            let moment = window.not_before + draw.of(window.lifetime());
            held.suggested = Some((window, moment));
        }
    }

    /// Whether the authority takes part in planning renewals.
    pub(super) fn has_window(&self) -> bool {
        self.held.is_some_and(|held| held.suggested.is_some())
    }

    /// The authority did not tell this time.
    pub(super) fn window_not_told(&mut self, now: SystemTime) {
        self.ask_at = Some(now + WINDOW_RETRY_DELAY);
    }

    /// There is nobody to tell; not to be asked again until there is another certificate.
    pub(super) fn no_window(&mut self) {
        self.ask_at = None;
    }
}

impl Schedule {
    fn pace(&self) -> Bounds {
        self.held.map_or(self.bounds, |held| {
            self.bounds.paced(held.validity.lifetime())
        })
    }

    fn longest_question_wait(&self) -> Duration {
        MAX_WINDOW_INTERVAL.max(self.bounds.window_interval)
    }

    fn renew_at(&self) -> Option<SystemTime> {
        self.held.map(|held| {
            let due = self.bounds.renewal(held.validity);
            let Some((_, moment)) = held.suggested else {
                return due;
            };
            // The authority knows best, but half of our own margin is ours.
            let margin = held
                .validity
                .not_after
                .duration_since(due)
                .unwrap_or_default();
            moment.min(due + margin / 2)
        })
    }
}

#[cfg(test)]
mod tests;
