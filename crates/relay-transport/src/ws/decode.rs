//! The decoder: a client's bytes go in, cut anywhere; messages, control frames and offences come out.
//!
//! It owns what survives between two reads: a partial head, a partial frame, an unfinished message.
//! It must not know where bytes come from, what time it is, or what an event leads to.

use super::bounds::Bounds;
use super::close::PeerClose;
use super::event::{Decoded, Event};
use super::frame::{ControlKind, Frame, PartialHead, Purpose};
use super::reassembly::{Place, Reassembly};
use super::violation::Violation;

/// Turns one client's bytes into [`Event`]s.
///
/// After a [`Violation`] or an [`Event::Close`] what follows has no meaning: `decode` must not be called again.
pub(crate) struct Decoder {
    stage: Stage,
    message: Reassembly,
    /// A control frame that came in parts; apart from `message`, because it may come between two fragments.
    control: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Stage {
    Head(PartialHead),
    Payload(Frame),
    Ended,
}

/// A message or control frame that is complete.
enum Ready {
    Message(Place),
    Control(ControlKind, Place),
}

impl Decoder {
    /// For messages within `bounds`, which hold for the sum of a message's fragments.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            stage: Stage::Head(PartialHead::default()),
            message: Reassembly::new(bounds),
            control: Vec::new(),
        }
    }

    /// Decodes the front of `input`, up to and including the first event; call again with the rest.
    ///
    /// A payload that lies in `input` as a whole is unmasked there and lent without a copy.
    ///
    /// # Errors
    ///
    /// The first offence the bytes prove.
    ///
    /// # Panics
    ///
    /// In debug builds, if the decoder has ended; in release builds it then consumes everything and reports nothing.
    pub(crate) fn decode<'a>(&'a mut self, input: &'a mut [u8]) -> Result<Decoded<'a>, Violation> {
        debug_assert!(!matches!(self.stage, Stage::Ended), "decode after the end");
        self.settle();
        let (consumed, ready) = self
            .advance(input)
            .map_err(|violation| self.fail(violation))?;
        let input: &'a [u8] = input;
        let lent = |len| &input[consumed - len..consumed];
        let event = match ready {
            None => None,
            Some(Ready::Message(Place::Held)) => Some(Event::Message(self.message.message())),
            Some(Ready::Message(Place::Input(len))) => {
                let message = self.message.kind().lend(lent(len));
                let message = message.map_err(|violation| self.fail(violation))?;
                Some(Event::Message(message))
            }
            Some(Ready::Control(kind, place)) => {
                if kind == ControlKind::Close {
                    self.end();
                }
                let payload = match place {
                    Place::Input(len) => lent(len),
                    Place::Held => &self.control,
                };
                Some(match kind {
                    ControlKind::Ping => Event::Ping(payload),
                    ControlKind::Pong => Event::Pong(payload),
                    ControlKind::Close => Event::Close(PeerClose::parse(payload)?),
                })
            }
        };
        Ok(Decoded { consumed, event })
    }

    /// A data frame's head has been read and its message is not complete; control frames in between change nothing.
    pub(crate) fn mid_message(&self) -> bool {
        self.message.is_open()
    }

    /// Between two frames and between two messages.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Head(head) if head.as_bytes().is_empty()) && !self.mid_message()
    }

    /// Heap bytes held.
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.message.capacity() + self.control.capacity()
    }

    /// Releases what the last event was lent from; an idle or ended decoder holds no heap after it.
    ///
    /// Meant for a caller about to wait: `decode` does it too, but only once there is more to decode.
    pub(crate) fn settle(&mut self) {
        self.message.settle();
        if !matches!(
            self.stage,
            Stage::Payload(Frame {
                purpose: Purpose::Control(_),
                ..
            })
        ) {
            self.control = Vec::new();
        }
    }

    /// Moves through `input` to the end of the first event, or to its own end.
    fn advance(&mut self, input: &mut [u8]) -> Result<(usize, Option<Ready>), Violation> {
        let mut consumed = 0;
        loop {
            let mut frame = match self.stage {
                Stage::Payload(frame) => frame,
                Stage::Head(head) => match self.read_head(head, &input[consumed..])? {
                    Some((frame, taken)) => {
                        consumed += taken;
                        frame
                    }
                    None => return Ok((input.len(), None)),
                },
                Stage::Ended => return Ok((input.len(), None)),
            };
            let taken = frame.remaining.min(input.len() - consumed);
            let part = &mut input[consumed..consumed + taken];
            frame.unmask(part);
            consumed += taken;
            let ready = match frame.purpose {
                Purpose::Control(kind) => self
                    .take_control(frame, part)
                    .map(|place| Ready::Control(kind, place)),
                Purpose::Begin(_) | Purpose::Continue => {
                    self.message.take(frame, part)?.map(Ready::Message)
                }
            };
            if frame.remaining > 0 {
                self.stage = Stage::Payload(frame);
                return Ok((consumed, None));
            }
            self.stage = Stage::Head(PartialHead::default());
            if ready.is_some() {
                return Ok((consumed, ready));
            }
        }
    }

    /// The next frame and how much of `input` was its head; `None` when all of `input` is but a part of one.
    fn read_head(
        &mut self,
        mut head: PartialHead,
        input: &[u8],
    ) -> Result<Option<(Frame, usize)>, Violation> {
        let held = head.extend(input);
        let Some((frame, len)) = Frame::parse(head.as_bytes(), self.message.open())? else {
            self.stage = Stage::Head(head);
            return Ok(None);
        };
        self.message.begin_frame(frame.purpose);
        Ok(Some((frame, len - held)))
    }

    fn take_control(&mut self, frame: Frame, part: &[u8]) -> Option<Place> {
        let complete = frame.remaining == 0;
        if complete && self.control.is_empty() {
            return Some(Place::Input(part.len()));
        }
        // At most 125 bytes, hence in one go.
        self.control.reserve_exact(part.len() + frame.remaining);
        self.control.extend_from_slice(part);
        complete.then_some(Place::Held)
    }

    fn fail(&mut self, violation: Violation) -> Violation {
        self.end();
        violation
    }

    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.message.abandon();
    }
}
