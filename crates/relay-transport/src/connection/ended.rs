//! How a connection ended, for logs, notices and counters.

use std::io;

use relay_core::{Cause, Close};

use crate::ws::Violation;

/// The end of one connection.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Why reading stopped; `None` when the relay closed and the peer answered.
    pub(crate) read_end: Option<ReadEnd>,
    /// The relay's close, if it made one.
    pub(crate) close: Option<Close>,
    /// The status of the peer's close frame, if one came; 1005 for an empty one.
    pub(crate) peer_status: Option<u16>,
    /// The relay's close frame got out whole.
    pub(crate) close_written: bool,
}

/// Why nothing more was read from a peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadEnd {
    #[error("peer closed with {0}")]
    PeerClosed(u16),
    #[error("peer ended the stream without a close frame")]
    Eof,
    #[error("{0}")]
    Io(#[source] io::Error),
    #[error("{0}")]
    Violation(#[source] Violation),
    #[error("message not complete in time")]
    MessageTimeout,
    #[error("peer accepted no bytes in time")]
    WriteTimeout,
    #[error("write failed: {0}")]
    WriteFailed(#[source] io::Error),
    #[error("cut")]
    Cut,
}

impl Ended {
    /// Both close frames went their way.
    pub(crate) fn is_clean(&self) -> bool {
        self.close_written && self.peer_status.is_some()
    }

    /// [`notice_code`] of this end.
    pub(crate) fn notice_code(&self) -> Option<u16> {
        notice_code(self.close, self.peer_status)
    }
}

/// The status to tell a phone's binary: the peer's own, or the one it answered with where the relay made the close for
/// its own reasons. `None` for everything abrupt or offending.
pub(crate) fn notice_code(close: Option<Close>, peer_status: Option<u16>) -> Option<u16> {
    match close.map(|close| close.cause) {
        None
        | Some(
            Cause::Drain
            | Cause::HeartbeatTimeout
            | Cause::BacklogFull
            | Cause::GraceExpired
            | Cause::Evicted
            | Cause::Directive
            | Cause::InvalidDirective,
        ) => peer_status,
        Some(_) => None,
    }
}
