//! Where a connection stands between open and over. Pure: events and `now` in, the next thing to do out.
//!
//! A close that the relay makes is always readable: what is being written is finished, the close frame follows, and
//! inbound bytes are read and thrown away until the peer's close, so that no reset overtakes it. Only a peer that
//! accepts no bytes is cut.

use std::time::{Duration, Instant};

use relay_core::{Close, Flush};

/// How far the close handshake has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Messages flow.
    Open,
    /// The queue is written out before the close frame, for as long as its time lasts.
    Flushing { until: Option<Instant> },
    /// The queue was given up; what is half-written still has to end.
    Finishing { since: Instant },
    /// The close frame is with the writer.
    Sending { since: Instant },
    /// It is out; the peer's is awaited.
    Awaiting { until: Instant },
    /// Both are out, or the peer's will not be understood: our half is shut, the peer's bytes are read to their end.
    Lingering { until: Instant },
}

/// The close handshake of one connection.
#[derive(Debug)]
pub(super) struct Closing {
    phase: Phase,
    order: Option<Close>,
    by_peer: Option<u16>,
    is_deaf: bool,
    timeout: Duration,
}

impl Closing {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            phase: Phase::Open,
            order: None,
            by_peer: None,
            is_deaf: false,
            timeout,
        }
    }

    /// The time for each half of the close handshake.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether a pong still goes out. A flush to a slow peer can outlast the patience of the peer's own heartbeat.
    pub(super) fn answers_pings(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Flushing { .. })
    }

    /// The relay's close, if it made one.
    pub(super) fn order(&self) -> Option<Close> {
        self.order
    }

    /// The status of the peer's close, if one came; 1005 for none.
    pub(super) fn by_peer(&self) -> Option<u16> {
        self.by_peer
    }

    /// The peer's stream makes no sense any more: not even its close will be found in it.
    pub(super) fn deafen(&mut self) {
        self.is_deaf = true;
    }

    /// Whether a frame from the peer can still be understood, if only to find its close.
    pub(super) fn is_decodable(&self) -> bool {
        !self.is_deaf && self.by_peer.is_none()
    }

    /// The relay wants to close. The first order counts; repeated with a stricter flush, it shortens the one under way.
    pub(super) fn ordered(&mut self, close: Close, now: Instant) {
        let until = match self.phase {
            Phase::Open => {
                self.order = Some(close);
                None
            }
            Phase::Flushing { until } => until,
            Phase::Finishing { .. }
            | Phase::Sending { .. }
            | Phase::Awaiting { .. }
            | Phase::Lingering { .. } => return,
        };
        self.phase = match close.flush {
            Flush::Nothing => Phase::Finishing { since: now },
            Flush::Within(time) => Phase::Flushing {
                until: earlier(until, now.checked_add(time)),
            },
            Flush::All => Phase::Flushing { until },
        };
    }

    /// The peer's close frame came. True if it is to be answered with an echo.
    pub(super) fn peer_closed(&mut self, code: u16, now: Instant) -> bool {
        if self.by_peer.is_some() {
            return false;
        }
        self.by_peer = Some(code);
        match self.phase {
            Phase::Open | Phase::Flushing { .. } | Phase::Finishing { .. } => {
                self.phase = Phase::Sending { since: now };
                true
            }
            Phase::Sending { .. } | Phase::Awaiting { .. } | Phase::Lingering { .. } => false,
        }
    }

    /// What to send behind the queue, while that is written out.
    pub(super) fn behind_queue(&self) -> Option<Close> {
        self.order
            .filter(|_| matches!(self.phase, Phase::Flushing { .. }))
    }

    /// The queue is empty or given up, and nothing is half-written: what to send now, if it is time.
    pub(super) fn queue_done(&mut self, now: Instant) -> Option<Close> {
        let is_time = matches!(self.phase, Phase::Flushing { .. } | Phase::Finishing { .. });
        let close = self.order.filter(|_| is_time)?;
        self.phase = Phase::Sending { since: now };
        Some(close)
    }

    /// Everything, the close frame included, is with the socket. True if our half is to be shut now.
    pub(super) fn close_sent(&mut self, now: Instant) -> bool {
        let until = match self.phase {
            // In the first two, it went out together with the end of the queue.
            Phase::Flushing { .. } | Phase::Finishing { .. } | Phase::Sending { .. } => {
                now + self.timeout
            }
            Phase::Awaiting { until } => until,
            Phase::Open | Phase::Lingering { .. } => return false,
        };
        let is_final = !self.is_decodable();
        self.phase = if is_final {
            Phase::Lingering { until }
        } else {
            Phase::Awaiting { until }
        };
        is_final
    }

    /// Gives the queue up if the time to flush is over; true if that is so just now.
    pub(super) fn flush_over(&mut self, now: Instant) -> bool {
        let is_over = matches!(self.phase, Phase::Flushing { until: Some(until) } if now >= until);
        if is_over {
            self.phase = Phase::Finishing { since: now };
        }
        is_over
    }

    /// Whether the handshake has taken its whole time.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Awaiting { until } | Phase::Lingering { until } => now >= until,
            Phase::Open
            | Phase::Flushing { .. }
            | Phase::Finishing { .. }
            | Phase::Sending { .. } => false,
        }
    }

    /// When something is due without any event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Open | Phase::Finishing { .. } | Phase::Sending { .. } => None,
            Phase::Flushing { until } => until,
            Phase::Awaiting { until } | Phase::Lingering { until } => Some(until),
        }
    }

    /// Since when only the end of what is half-written, and the close frame, are left to write. A close that shares its
    /// write with the end of the queue counts as a part of the queue.
    pub(super) fn sending_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Finishing { since } | Phase::Sending { since } => Some(since),
            Phase::Open
            | Phase::Flushing { .. }
            | Phase::Awaiting { .. }
            | Phase::Lingering { .. } => None,
        }
    }
}

/// The earlier of two deadlines, where `None` is never.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
