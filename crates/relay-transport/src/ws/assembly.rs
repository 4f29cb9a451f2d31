//! A message as it grows from parts.
//!
//! It owns how much memory an unfinished message may pin.
//! It must not know frames, masks or limits other than the ceiling it is given.

use super::event::Message;
use super::utf8::Utf8Buffer;
use super::violation::Violation;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MessageKind {
    Text,
    Binary,
}

impl MessageKind {
    /// A message that never had to be kept.
    pub(super) fn lend(self, payload: &[u8]) -> Result<Message<'_>, Violation> {
        match self {
            Self::Text => simdutf8::basic::from_utf8(payload)
                .map(Message::Text)
                .map_err(|_| Violation::InvalidText),
            Self::Binary => Ok(Message::Binary(payload)),
        }
    }
}

/// A message's payload from its first byte on, held only once a part of it could not be lent.
pub(super) enum Assembly {
    Text(Utf8Buffer),
    Binary(Vec<u8>),
}

impl Default for Assembly {
    fn default() -> Self {
        Self::new(MessageKind::Binary)
    }
}

impl Assembly {
    /// Allocates nothing.
    pub(super) fn new(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Text => Self::Text(Utf8Buffer::default()),
            MessageKind::Binary => Self::Binary(Vec::new()),
        }
    }

    pub(super) fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Binary(_) => MessageKind::Binary,
        }
    }

    /// Appends a part of a message that will not grow past `ceiling` bytes.
    ///
    /// The buffer doubles as bytes arrive, so a peer pays for memory with traffic: an announced length alone gets it
    /// none (fastwebsockets hazard H11, see docs/ARCHITECTURE.md).
    pub(super) fn push(&mut self, part: &[u8], ceiling: usize) -> Result<(), Violation> {
        let needed = self.len() + part.len();
        if needed > self.capacity() {
            self.reserve_total(needed.max(self.capacity().saturating_mul(2)).min(ceiling));
        }
        match self {
            Self::Text(text) => text.push(part),
            Self::Binary(bytes) => {
                bytes.extend_from_slice(part);
                Ok(())
            }
        }
    }

    /// Checks what only the end of the message can show.
    pub(super) fn finish(&self) -> Result<(), Violation> {
        match self {
            Self::Text(text) => text.finish(),
            Self::Binary(_) => Ok(()),
        }
    }

    /// The message, after [`Self::finish`].
    pub(super) fn as_message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text.as_str()),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Binary(bytes) => bytes.capacity(),
        }
    }

    fn reserve_total(&mut self, total: usize) {
        match self {
            Self::Text(text) => text.reserve_total(total),
            Self::Binary(bytes) => bytes.reserve_exact(total - bytes.len()),
        }
    }
}
