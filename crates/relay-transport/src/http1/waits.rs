//! What an HTTP connection is waited for, and since when: pure, told of what happens and of the time.
//!
//! hyper's own header timer runs between requests too, and so cannot tell an idle connection, which is welcome to
//! stay, from half a head, which is not.

use std::time::{Duration, Instant};

/// How long each wait may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From accept, or from a later head's first byte, to the head's last.
    pub(crate) head: Duration,
    /// From a head's last byte until the answer is written.
    pub(crate) exchange: Duration,
    /// From an answer to the next head's first byte.
    pub(crate) idle: Duration,
}

/// The wait that is on.
#[derive(Debug)]
pub(crate) struct Waits {
    timeouts: Timeouts,
    wait: Wait,
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wait {
    Head,
    Exchange,
    Idle,
}

impl Waits {
    /// A connection accepted at `accepted`, whose first head is due.
    pub(crate) fn new(timeouts: Timeouts, accepted: Instant) -> Self {
        Self {
            timeouts,
            wait: Wait::Head,
            since: accepted,
        }
    }

    /// Bytes came in.
    pub(super) fn received(&mut self, now: Instant) {
        if self.wait == Wait::Idle {
            self.enter(Wait::Head, now);
        }
    }

    /// A head is complete: its request is being answered.
    pub(super) fn requested(&mut self, now: Instant) {
        self.enter(Wait::Exchange, now);
    }

    /// All that was written is out.
    pub(super) fn flushed(&mut self, now: Instant) {
        if self.wait == Wait::Exchange {
            self.enter(Wait::Idle, now);
        }
    }

    /// When the wait that is on has lasted too long.
    pub(super) fn deadline(&self) -> Instant {
        self.since
            + match self.wait {
                Wait::Head => self.timeouts.head,
                Wait::Exchange => self.timeouts.exchange,
                Wait::Idle => self.timeouts.idle,
            }
    }

    fn enter(&mut self, wait: Wait, now: Instant) {
        self.wait = wait;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        head: Duration::from_secs(5),
        exchange: Duration::from_secs(60),
        idle: Duration::from_secs(120),
    };

    #[derive(Clone, Copy)]
    enum Event {
        Received,
        Requested,
        Flushed,
    }
    use Event::{Flushed, Received, Requested};

    #[track_caller]
    fn check(events: &[(u64, Event)], deadline: u64) {
        let start = crate::clock::now();
        let at = |s| start + Duration::from_secs(s);
        let mut waits = Waits::new(TIMEOUTS, start);
        for &(s, event) in events {
            match event {
                Received => waits.received(at(s)),
                Requested => waits.requested(at(s)),
                Flushed => waits.flushed(at(s)),
            }
        }
        assert_eq!(waits.deadline(), at(deadline));
    }

    #[test]
    fn each_wait_has_its_own_start_and_length() {
        check(&[], 5);
        // Progress extends nothing.
        check(&[(1, Received), (4, Received)], 5);
        check(&[(1, Received), (2, Requested)], 62);
        // A body, which is still part of the exchange.
        check(&[(1, Received), (2, Requested), (3, Received)], 62);
        let answered = [(1, Received), (2, Requested), (2, Flushed)];
        check(&answered, 122);
        // Flushing nothing is no news.
        check(&[answered[0], answered[1], answered[2], (9, Flushed)], 122);
        check(&[answered[0], answered[1], answered[2], (9, Received)], 14);
        // Before an answer there is nothing to be idle after.
        check(&[(1, Received), (2, Flushed)], 5);
        // The second of two requests that came in one piece.
        check(&[answered[0], answered[1], answered[2], (2, Requested)], 62);
    }
}
