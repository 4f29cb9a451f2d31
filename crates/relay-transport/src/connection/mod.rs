//! One WebSocket connection, from the switched protocol to its last byte: one task that polls both halves.
//!
//! The decoder keeps all reading state outside futures, so no half-read frame is ever dropped, and reader and writer
//! share pending pongs and the close state without a lock.
//! What a message means is the [`Endpoint`]'s; when to ping, give up or close is decided in the pure parts
//! ([`heartbeat`], [`closing`], [`crate::deadlines`]); this folder's futures only carry it out.

mod closing;
mod driver;
mod ended;
mod heartbeat;
mod pongs;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use relay_core::{Close, Outbox};

use crate::ws::Message;

pub(crate) use driver::{Connection, Shape};
pub(crate) use ended::{Ended, ReadEnd, notice_code};

/// What a connection carries: a binary, a phone, or a peer that is being refused.
pub(crate) trait Endpoint {
    /// What is queued for the peer; `None` for one that never became a member.
    fn outbox(&self) -> Option<&Outbox>;

    /// Handles one message. Never waits.
    fn message(&mut self, message: Message<'_>, now: Instant) -> Step;

    /// Ready when the connection may read on after [`Step::Pause`].
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes arrived.
    fn heard(&mut self);

    /// The connection is ending: by the peer's close (`None`), or by the relay's. Called once, before the close
    /// handshake, so that a successor need not wait for it.
    fn closing(&mut self, by: ClosedBy, now: Instant);

    /// The peer answered the relay's close with this status; 1005 for none. What is left is its end of the stream.
    fn answered(&mut self, close: Close, code: u16);
}

/// Who began a close handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClosedBy {
    /// The peer, with this status; 1005 for none.
    Peer(u16),
    /// The relay.
    Relay(Close),
}

/// What to do after a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Read on.
    Continue,
    /// Read on once [`Endpoint::poll_room`] is ready.
    Pause,
    /// Close the connection.
    Close(Close),
}

/// How long the two directions of a leg may stand still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) write_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) message_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) heartbeat_timeout: Duration,
}
