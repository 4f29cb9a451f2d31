//! The reading half: bytes into the decoder, and what is left over when reading has to wait.
//!
//! It holds no buffer of its own while idle: bytes are read into a borrowed scratch buffer, and only a part of a
//! frame, or what arrived behind a frame that filled the receiver's queue, stays.

use std::fmt;
use std::time::{Duration, Instant};

use crate::ws::{Bounds, Decoded, Decoder, Event, Violation};

/// Decoding state, leftovers and the deadline of the message under way.
pub(super) struct Reader {
    decoder: Decoder,
    /// Read but not decoded yet.
    carry: Vec<u8>,
    message_deadline: Option<Instant>,
    message_timeout: Duration,
}

/// Shows sizes, never what a peer sent.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("buffered_bytes", &self.decoder.buffered_bytes())
            .field("carried_bytes", &self.carry.len())
            .finish_non_exhaustive()
    }
}

/// Whether to go on decoding what was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Decode,
    /// Keep the rest for later.
    Keep,
    /// Nothing that follows matters.
    Discard,
}

impl Reader {
    pub(super) fn new(bounds: Bounds, message_timeout: Duration, carry: Vec<u8>) -> Self {
        Self {
            decoder: Decoder::new(bounds),
            carry,
            message_deadline: None,
            message_timeout,
        }
    }

    /// What was read earlier and waits to be decoded.
    pub(super) fn take_carry(&mut self) -> Option<Vec<u8>> {
        (!self.carry.is_empty()).then(|| std::mem::take(&mut self.carry))
    }

    /// When the message under way must be complete.
    pub(super) fn message_deadline(&self) -> Option<Instant> {
        self.message_deadline
    }

    /// Decodes all of `bytes`, as far as `on_event` wants it.
    ///
    /// # Errors
    /// The peer's offence; the rest of the stream cannot be understood.
    pub(super) fn feed(
        &mut self,
        bytes: &mut [u8],
        now: Instant,
        mut on_event: impl FnMut(Event<'_>) -> Next,
    ) -> Result<(), Violation> {
        let mut at = 0;
        while at < bytes.len() {
            let Decoded { consumed, event } = self.decoder.decode(&mut bytes[at..])?;
            at += consumed;
            let is_message = matches!(event, Some(Event::Message(_)));
            let next = event.map_or(Next::Decode, &mut on_event);
            if is_message {
                self.message_deadline = None;
            }
            match next {
                Next::Decode => {}
                Next::Keep => {
                    self.carry = bytes[at..].to_vec();
                    break;
                }
                Next::Discard => break,
            }
        }
        self.decoder.settle();
        if self.decoder.mid_message() {
            let deadline = now + self.message_timeout;
            self.message_deadline.get_or_insert(deadline);
        } else {
            self.message_deadline = None;
        }
        Ok(())
    }
}
