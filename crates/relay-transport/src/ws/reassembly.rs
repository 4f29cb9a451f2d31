//! The open message: which frames it has had, what it may still grow to, and where its payload is when it is whole.
//!
//! It must not know control frames, heads or masks.

use super::assembly::{Assembly, MessageKind};
use super::bounds::Bounds;
use super::event::Message;
use super::frame::{Frame, OpenMessage, Purpose};
use super::violation::Violation;

/// Joins data frames to messages.
pub(super) struct Reassembly {
    max_bytes: usize,
    // Beside `fragments` and not in a `Bounds`, whose padding every connection would pay for.
    max_fragments: u32,
    /// Frames of the open message whose heads have been read; 0 when no message is open.
    fragments: u32,
    /// Of the open message, or of the one just lent.
    payload: Assembly,
}

/// Where a complete payload lies.
pub(super) enum Place {
    /// The last so many of the bytes just taken.
    Input(usize),
    /// A buffer of the decoder.
    Held,
}

impl Reassembly {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            max_bytes: bounds.max_bytes,
            max_fragments: bounds.max_fragments,
            fragments: 0,
            payload: Assembly::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.fragments > 0
    }

    pub(super) fn open(&self) -> OpenMessage {
        OpenMessage {
            fragments: self.fragments,
            bytes: self.payload.len(),
            bounds: Bounds {
                max_bytes: self.max_bytes,
                max_fragments: self.max_fragments,
            },
        }
    }

    /// Notes a frame whose head has been found to fit.
    pub(super) fn begin_frame(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Begin(kind) => {
                self.payload = Assembly::new(kind);
                self.fragments = 1;
            }
            Purpose::Continue => self.fragments += 1,
            Purpose::Control(_) => {}
        }
    }

    /// Takes the next unmasked part of a data frame, `frame` telling what comes behind it.
    ///
    /// The part is kept only if the message is not complete with it and nothing else.
    pub(super) fn take(&mut self, frame: Frame, part: &[u8]) -> Result<Option<Place>, Violation> {
        let complete = frame.fin && frame.remaining == 0;
        if complete && self.payload.len() == 0 {
            self.fragments = 0;
            return Ok(Some(Place::Input(part.len())));
        }
        let announced = self.payload.len() + part.len() + frame.remaining;
        let ceiling = if frame.fin { announced } else { self.max_bytes };
        self.payload.push(part, ceiling)?;
        if !complete {
            return Ok(None);
        }
        self.payload.finish()?;
        self.fragments = 0;
        Ok(Some(Place::Held))
    }

    /// The kind of the message that was completed last.
    pub(super) fn kind(&self) -> MessageKind {
        self.payload.kind()
    }

    /// The message that was completed last, if it is [`Place::Held`].
    pub(super) fn message(&self) -> Message<'_> {
        self.payload.as_message()
    }

    pub(super) fn capacity(&self) -> usize {
        self.payload.capacity()
    }

    /// Gives up the open message and what it holds.
    pub(super) fn abandon(&mut self) {
        self.fragments = 0;
        self.settle();
    }

    /// Releases a payload that is not that of an open message.
    pub(super) fn settle(&mut self) {
        if !self.is_open() {
            self.payload = Assembly::default();
        }
    }
}
