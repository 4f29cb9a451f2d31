//! What a drain came to.

use std::time::Duration;

/// The account of one drain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Binaries connected when it began.
    pub binaries: usize,
    /// Phones registered when it began.
    pub phones: usize,
    /// Legs whose close handshake completed.
    pub closed: u64,
    /// Legs that were cut, or whose peer vanished.
    pub cut: u64,
    /// Frames accepted before the drain and written during it.
    pub frames_flushed: u64,
    /// Frames accepted before the drain that their peer did not take in time.
    pub frames_dropped: u64,
    /// From the start until every leg had been asked to close.
    pub asked_after: Duration,
    /// From the start until the last leg was gone, if that came to pass.
    pub legs_gone_after: Option<Duration>,
    /// From the start to the end.
    pub elapsed: Duration,
}

/// How a drain ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Every leg and server ended by itself.
    Complete,
    /// The deadline came first and what was left was cut.
    DeadlineExceeded,
    /// It was cut short on request.
    CutShort,
}
