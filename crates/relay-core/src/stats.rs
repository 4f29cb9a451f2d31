//! Counters and gauges as plain numbers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::budget::Budget;
use crate::outbox::Direction;

/// What a registry counted up to now. Gauges first, then totals since the registry was made.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Binaries connected; one in its grace window is not.
    pub connected_binaries: usize,
    /// Phones registered, those whose binary is in grace included.
    pub connected_phones: usize,
    /// Bytes pinned by all outboxes.
    pub queued_bytes: usize,
    /// Frames written to binaries' sockets.
    pub frames_to_binaries: u64,
    /// Frames written to phones' sockets.
    pub frames_to_phones: u64,
    /// Frames queued for a binary that never reached its socket.
    pub frames_to_binaries_dropped: u64,
    /// Frames queued for a phone that never reached its socket.
    pub frames_to_phones_dropped: u64,
    /// Server-ids given up because no binary came back within the grace window.
    pub grace_expiries: u64,
    /// Phones closed because they held the largest backlog when the process budget was full.
    pub backlog_evictions: u64,
    /// Frames written while draining, accepted before it.
    pub drain_frames_flushed: u64,
    /// Frames accepted before the drain that their peer did not take in time.
    pub drain_frames_dropped: u64,
    /// Legs that ended while draining with a complete close handshake.
    pub drain_legs_closed: u64,
    /// Legs that ended while draining without one.
    pub drain_legs_cut: u64,
}

/// What every outbox of one registry accounts to.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) budget: Budget,
    pub(crate) counters: Counters,
}

/// The live cells behind [`Stats`].
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) binaries: AtomicUsize,
    pub(crate) phones: AtomicUsize,
    to_binaries: AtomicU64,
    to_phones: AtomicU64,
    to_binaries_dropped: AtomicU64,
    to_phones_dropped: AtomicU64,
    pub(crate) grace_expiries: AtomicU64,
    pub(crate) backlog_evictions: AtomicU64,
    drain_flushed: AtomicU64,
    drain_dropped: AtomicU64,
    drain_closed: AtomicU64,
    drain_cut: AtomicU64,
}

impl Counters {
    pub(crate) fn forwarded(&self, direction: Direction, frames: u32) {
        let cell = match direction {
            Direction::ToPhone => &self.to_phones,
            Direction::ToBinary => &self.to_binaries,
        };
        cell.fetch_add(frames.into(), Relaxed);
    }

    pub(crate) fn dropped(&self, direction: Direction, frames: u32) {
        let cell = match direction {
            Direction::ToPhone => &self.to_phones_dropped,
            Direction::ToBinary => &self.to_binaries_dropped,
        };
        cell.fetch_add(frames.into(), Relaxed);
    }

    pub(crate) fn drain_flushed(&self, frames: u32) {
        self.drain_flushed.fetch_add(frames.into(), Relaxed);
    }

    pub(crate) fn drain_dropped(&self, frames: u32) {
        self.drain_dropped.fetch_add(frames.into(), Relaxed);
    }

    pub(crate) fn drain_ended(&self, closed_cleanly: bool) {
        let cell = if closed_cleanly {
            &self.drain_closed
        } else {
            &self.drain_cut
        };
        cell.fetch_add(1, Relaxed);
    }

    fn read(&self, queued_bytes: usize) -> Stats {
        Stats {
            connected_binaries: self.binaries.load(Relaxed),
            connected_phones: self.phones.load(Relaxed),
            queued_bytes,
            frames_to_binaries: self.to_binaries.load(Relaxed),
            frames_to_phones: self.to_phones.load(Relaxed),
            frames_to_binaries_dropped: self.to_binaries_dropped.load(Relaxed),
            frames_to_phones_dropped: self.to_phones_dropped.load(Relaxed),
            grace_expiries: self.grace_expiries.load(Relaxed),
            backlog_evictions: self.backlog_evictions.load(Relaxed),
            drain_frames_flushed: self.drain_flushed.load(Relaxed),
            drain_frames_dropped: self.drain_dropped.load(Relaxed),
            drain_legs_closed: self.drain_closed.load(Relaxed),
            drain_legs_cut: self.drain_cut.load(Relaxed),
        }
    }
}

impl Accounts {
    pub(crate) fn read(&self) -> Stats {
        self.counters.read(self.budget.used())
    }
}
