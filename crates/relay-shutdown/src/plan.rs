//! The steps of a drain as a pure machine: events and `now` in, the next action out.

use std::time::{Duration, Instant};

use crate::report::Outcome;

/// What the driver tells the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// Every leg has left the registry.
    LegsGone,
    /// Nothing of any server runs any more.
    ServersClosed,
    /// Somebody asked to cut the drain short.
    CutRequested,
    /// The plan's own deadline has passed.
    DeadlinePassed,
}

/// What the driver is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Go on waiting.
    Wait,
    /// Ask every leg that is left to drop its socket, then go on waiting.
    Cut,
    /// Drop the tasks of whatever did not even notice that, then go on waiting.
    Abort,
    /// Report.
    Finish(Outcome),
}

/// Where a drain stands after its first step, in which the registry turned, the servers stopped accepting and every
/// leg was asked to close.
#[derive(Debug)]
pub(crate) struct Plan {
    deadline: Instant,
    cut_grace: Duration,
    cut_as: Option<Outcome>,
    is_aborted: bool,
    legs_gone: bool,
    servers_closed: bool,
}

impl Plan {
    pub(crate) fn new(now: Instant, deadline: Duration, cut_grace: Duration) -> Self {
        Self {
            deadline: now + deadline,
            cut_grace,
            cut_as: None,
            is_aborted: false,
            legs_gone: false,
            servers_closed: false,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn legs_gone(&self) -> bool {
        self.legs_gone
    }

    pub(crate) fn servers_closed(&self) -> bool {
        self.servers_closed
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut_as.is_some()
    }

    pub(crate) fn on(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::LegsGone => self.legs_gone = true,
            Event::ServersClosed => self.servers_closed = true,
            Event::CutRequested => return self.cut(Outcome::CutShort, now),
            Event::DeadlinePassed => {
                return match self.cut_as {
                    Some(outcome) if self.is_aborted => Action::Finish(outcome),
                    Some(_) => self.abort(now),
                    None => self.cut(Outcome::DeadlineExceeded, now),
                };
            }
        }
        if self.legs_gone && self.servers_closed {
            Action::Finish(self.cut_as.unwrap_or(Outcome::Complete))
        } else {
            Action::Wait
        }
    }

    fn cut(&mut self, outcome: Outcome, now: Instant) -> Action {
        if self.cut_as.is_some() {
            return Action::Wait;
        }
        self.cut_as = Some(outcome);
        self.deadline = now + self.cut_grace;
        Action::Cut
    }

    fn abort(&mut self, now: Instant) -> Action {
        self.is_aborted = true;
        self.deadline = now + self.cut_grace;
        Action::Abort
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::{Abort, Cut, Finish, Wait};
    use Event::{CutRequested, DeadlinePassed, LegsGone, ServersClosed};

    fn check(steps: &[(Event, Action)]) {
        let mut now = crate::clock::now();
        let mut plan = Plan::new(now, Duration::from_secs(10), Duration::from_secs(1));
        for (event, action) in steps {
            now += Duration::from_millis(1);
            assert_eq!(plan.on(*event, now), *action, "{event:?} in {steps:?}");
        }
    }

    #[test]
    fn ends_when_legs_and_servers_are_gone_in_either_order() {
        check(&[(LegsGone, Wait), (ServersClosed, Finish(Outcome::Complete))]);
        check(&[(ServersClosed, Wait), (LegsGone, Finish(Outcome::Complete))]);
    }

    #[test]
    fn the_deadline_cuts_the_next_one_aborts_and_the_last_gives_up() {
        let late = Finish(Outcome::DeadlineExceeded);
        check(&[
            (DeadlinePassed, Cut),
            (LegsGone, Wait),
            (ServersClosed, late),
        ]);
        check(&[
            (DeadlinePassed, Cut),
            (DeadlinePassed, Abort),
            (DeadlinePassed, late),
        ]);
    }

    #[test]
    fn a_request_cuts_once_and_keeps_its_name() {
        let short = Finish(Outcome::CutShort);
        check(&[
            (CutRequested, Cut),
            (CutRequested, Wait),
            (DeadlinePassed, Abort),
            (DeadlinePassed, short),
        ]);
        check(&[
            (LegsGone, Wait),
            (CutRequested, Cut),
            (ServersClosed, short),
        ]);
    }

    #[test]
    fn a_request_after_the_deadline_changes_nothing() {
        let late = Finish(Outcome::DeadlineExceeded);
        check(&[
            (DeadlinePassed, Cut),
            (CutRequested, Wait),
            (DeadlinePassed, Abort),
            (DeadlinePassed, late),
        ]);
    }

    #[test]
    fn cutting_leaves_a_moment_to_notice() {
        let start = crate::clock::now();
        let mut plan = Plan::new(start, Duration::from_secs(10), Duration::from_secs(1));
        let now = start + Duration::from_secs(2);
        plan.on(CutRequested, now);
        assert_eq!(plan.deadline(), now + Duration::from_secs(1));
    }
}
