//! Answers to pings that wait for the socket.
//!
//! It must not know when they are written, nor what else is.

use std::fmt;

use crate::ws::Encoded;

/// Bytes of pongs that wait for one peer: eight of the largest, or some sixty as libraries send them.
pub(super) const MAX_WAITING_BYTES: usize = 1024;

/// Whole pong frames, one behind the other.
///
/// Each ping gets its pong, in order, from a peer that reads; of more than fit, the newest alone is answered, as
/// RFC 6455 §5.5.3 allows: a flood that nobody reads must not fill memory (fastwebsockets hazard H3).
#[derive(Default)]
pub(super) struct Pongs(Vec<u8>);

impl Pongs {
    pub(super) fn add(&mut self, pong: &Encoded) {
        let pong = pong.as_bytes();
        if self.0.len() + pong.len() > MAX_WAITING_BYTES {
            self.0.clear();
        }
        self.0.extend_from_slice(pong);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, for one write; `None` if there are none.
    pub(super) fn take(&mut self) -> Option<Self> {
        (!self.is_empty()).then(|| std::mem::take(self))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows how much waits: the payloads are a peer's.
impl fmt::Debug for Pongs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pongs({} bytes)", self.0.len())
    }
}
