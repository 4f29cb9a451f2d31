//! Closes by status and by whose decision they were: a closed set of both, since peers choose their codes freely.

use relay_core::Cause;

use super::Counter;
use crate::connection::{Ended, ReadEnd};

/// Who decided that a connection closes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClosedBy {
    /// The relay, for a reason of its own.
    Relay,
    /// The peer, with a close frame or by going away.
    Peer,
    /// A phone's binary, with a directive.
    Binary,
}

impl ClosedBy {
    /// All of them, for whoever exports one series each.
    pub const ALL: [Self; 3] = [Self::Relay, Self::Peer, Self::Binary];
}

/// The statuses that are told apart: those of RFC 6455 that occur, those of the relay, and those that make clients
/// halt. 1005 is a close frame without a status, 1006 an end without a close frame. Anything else is `None`.
const CODES: [Option<u16>; 18] = [
    Some(1000),
    Some(1001),
    Some(1002),
    Some(1003),
    Some(1005),
    Some(1006),
    Some(1007),
    Some(1008),
    Some(1009),
    Some(1011),
    Some(4401),
    Some(4404),
    Some(4409),
    Some(4412),
    Some(4421),
    Some(4426),
    Some(4429),
    None,
];

const ABNORMAL: u16 = 1006;

/// How connections closed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Closes([[u64; CODES.len()]; ClosedBy::ALL.len()]);

impl Closes {
    /// Every count there is, zeros included; `None` is any status that is not told apart.
    pub fn iter(&self) -> impl Iterator<Item = (ClosedBy, Option<u16>, u64)> {
        ClosedBy::ALL
            .into_iter()
            .zip(self.0)
            .flat_map(|(by, counts)| {
                CODES
                    .into_iter()
                    .zip(counts)
                    .map(move |(code, count)| (by, code, count))
            })
    }
}

/// The live cells behind [`Closes`].
#[derive(Default, Debug)]
pub(crate) struct CloseCounters([[Counter; CODES.len()]; ClosedBy::ALL.len()]);

impl CloseCounters {
    /// Counts the end of one connection.
    pub(crate) fn step(&self, ended: &Ended) {
        let (by, code) = verdict(ended);
        let row = match by {
            ClosedBy::Relay => 0,
            ClosedBy::Peer => 1,
            ClosedBy::Binary => 2,
        };
        let known = CODES.iter().position(|known| *known == Some(code));
        self.0[row][known.unwrap_or(CODES.len() - 1)].step();
    }

    pub(crate) fn read(&self) -> Closes {
        Closes(
            self.0
                .each_ref()
                .map(|row| row.each_ref().map(Counter::read)),
        )
    }
}

/// An order of the relay that did not get out as a frame is an abnormal end, whatever status it would have had.
fn verdict(ended: &Ended) -> (ClosedBy, u16) {
    match ended.close {
        Some(close) => {
            let is_directive = matches!(close.cause, Cause::Directive | Cause::InvalidDirective);
            let by = if is_directive {
                ClosedBy::Binary
            } else {
                ClosedBy::Relay
            };
            let code = close.code.get();
            (by, if ended.close_written { code } else { ABNORMAL })
        }
        None => match (ended.peer_status, &ended.read_end) {
            (Some(status), _) => (ClosedBy::Peer, status),
            (None, Some(ReadEnd::Cut | ReadEnd::WriteTimeout)) => (ClosedBy::Relay, ABNORMAL),
            (None, _) => (ClosedBy::Peer, ABNORMAL),
        },
    }
}

#[cfg(test)]
mod tests {
    use relay_core::{Close, CloseCode};

    use super::*;

    fn ended(close: Option<Close>, peer_status: Option<u16>, read_end: Option<ReadEnd>) -> Ended {
        Ended {
            read_end,
            close,
            peer_status,
            close_written: true,
        }
    }

    #[track_caller]
    fn check(ended: &Ended, by: ClosedBy, code: Option<u16>) {
        let counters = CloseCounters::default();
        counters.step(ended);
        let moved: Vec<_> = counters
            .read()
            .iter()
            .filter(|(_, _, count)| *count > 0)
            .collect();
        assert_eq!(moved, [(by, code, 1)], "{ended:?}");
    }

    #[test]
    fn a_close_counts_for_whoever_decided_it() {
        let directive = Close::directive(CloseCode::new(4401).unwrap());
        check(
            &ended(Some(Close::heartbeat_timeout()), None, None),
            ClosedBy::Relay,
            Some(1011),
        );
        check(
            &ended(Some(Close::evicted()), Some(4404), None),
            ClosedBy::Relay,
            Some(4404),
        );
        check(
            &ended(Some(directive), Some(4401), None),
            ClosedBy::Binary,
            Some(4401),
        );
        check(
            &ended(Some(Close::invalid_directive()), None, None),
            ClosedBy::Binary,
            Some(1011),
        );
        check(&ended(None, Some(1005), None), ClosedBy::Peer, Some(1005));
    }

    #[test]
    fn an_end_without_a_close_frame_is_1006() {
        check(
            &ended(None, None, Some(ReadEnd::Eof)),
            ClosedBy::Peer,
            Some(1006),
        );
        check(
            &ended(None, None, Some(ReadEnd::WriteTimeout)),
            ClosedBy::Relay,
            Some(1006),
        );
        let torn = Ended {
            close_written: false,
            ..ended(Some(Close::drain(std::time::Duration::ZERO)), None, None)
        };
        check(&torn, ClosedBy::Relay, Some(1006));
    }

    #[test]
    fn a_code_of_the_peers_own_making_is_other() {
        for code in [1010, 3000, 4999] {
            check(&ended(None, Some(code), None), ClosedBy::Peer, None);
        }
    }
}
