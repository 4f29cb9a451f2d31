//! Which server-ids wait for their binary to come back, and until when. Pure bookkeeping: `now` comes in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ServerId;

/// Grace windows by deadline. A window is named by the connection that left, so that one which already fired, or
/// whose server-id was reclaimed meanwhile, can be told apart from its successor's.
#[derive(Debug)]
pub(super) struct GraceWindows {
    length: Duration,
    deadlines: BTreeMap<(Instant, u64), ServerId>,
    /// Left without a clock at hand: stamped by the next tick.
    unstamped: Vec<(u64, ServerId)>,
}

/// A window that has run out. Whether it still means anything is for the registry to check by `seq`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) server_id: ServerId,
    pub(super) seq: u64,
}

impl GraceWindows {
    pub(super) fn new(length: Duration) -> Self {
        Self {
            length,
            deadlines: BTreeMap::new(),
            unstamped: Vec::new(),
        }
    }

    pub(super) fn open(&mut self, server_id: ServerId, seq: u64, left: Option<Instant>) {
        match left {
            Some(left) => self.stamp(server_id, seq, left),
            None => self.unstamped.push((seq, server_id)),
        }
    }

    /// A window that would end beyond what an `Instant` can hold never ends, so it needs no deadline.
    fn stamp(&mut self, server_id: ServerId, seq: u64, left: Instant) {
        if let Some(until) = left.checked_add(self.length) {
            self.deadlines.insert((until, seq), server_id);
        }
    }

    pub(super) fn clear(&mut self) {
        self.deadlines.clear();
        self.unstamped.clear();
    }

    /// Stamps what has no deadline yet and removes what is due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Expired> {
        for (seq, server_id) in std::mem::take(&mut self.unstamped) {
            self.stamp(server_id, seq, now);
        }
        let mut due = Vec::new();
        while let Some(first) = self.deadlines.first_entry() {
            if first.key().0 > now {
                break;
            }
            let ((_, seq), server_id) = first.remove_entry();
            due.push(Expired { server_id, seq });
        }
        due
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadlines.keys().next().map(|(until, _)| *until)
    }
}
