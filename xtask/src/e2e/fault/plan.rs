//! What shall happen to the bytes of one direction, and from which byte on. Pure.

use std::time::Duration;

/// What a network does to a direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::e2e) enum Fault {
    /// Nothing: bytes go on as they come, and so does the end of the stream.
    #[default]
    Pass,
    /// Every byte arrives this much later; any number of them may be under way.
    Delay(Duration),
    /// So many bytes at a time, and no more are read ahead: the sender sees a receiver of this pace.
    Dribble { bytes: usize, every: Duration },
    /// Nothing is read any more: the sender's window closes.
    Freeze,
    /// Half-open: what comes is taken in and gone, and no end of the stream is told.
    Discard,
    /// Both sides see the end of the stream, a FIN, and nothing more.
    End,
    /// Both sides see a RST.
    Reset,
}

/// A fault, and perhaps another one from a byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::e2e) struct Plan {
    first: Fault,
    turn: Option<(u64, Fault)>,
}

impl From<Fault> for Plan {
    fn from(first: Fault) -> Self {
        Self { first, turn: None }
    }
}

impl Plan {
    /// Passes so many bytes, counted from when the plan is in force, then does something else.
    pub(in crate::e2e) fn pass_then(bytes: usize, fault: Fault) -> Self {
        Self {
            first: Fault::Pass,
            turn: Some((bytes as u64, fault)),
        }
    }

    /// What to do after so many bytes.
    pub(super) fn at(&self, passed: u64) -> Fault {
        match self.turn {
            Some((at, fault)) if passed >= at => fault,
            _ => self.first,
        }
    }

    /// The most bytes that may pass before the next look at the plan.
    pub(super) fn until_turn(&self, passed: u64) -> usize {
        let left = self
            .turn
            .and_then(|(at, _)| at.checked_sub(passed))
            .filter(|left| *left > 0);
        left.and_then(|left| usize::try_from(left).ok())
            .unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_at_its_byte() {
        let plan = Plan::pass_then(3, Fault::Reset);
        for (passed, fault, left) in [
            (0, Fault::Pass, 3),
            (2, Fault::Pass, 1),
            (3, Fault::Reset, usize::MAX),
            (9, Fault::Reset, usize::MAX),
        ] {
            assert_eq!(plan.at(passed), fault, "{passed}");
            assert_eq!(plan.until_turn(passed), left, "{passed}");
        }
        let steady = Plan::from(Fault::Freeze);
        assert_eq!(steady.at(1 << 40), Fault::Freeze);
        assert_eq!(steady.until_turn(0), usize::MAX);
    }
}
