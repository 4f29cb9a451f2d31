//! What the decoder reports.
//!
//! It must not know how an event came about or what it leads to.

use std::fmt;

use super::close::PeerClose;

/// What one call of [`Decoder::decode`](super::Decoder::decode) made of its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Decoded<'a> {
    /// Bytes done with, from the front of the input.
    pub(crate) consumed: usize,
    /// What they amount to; `None` only when the whole input was consumed.
    pub(crate) event: Option<Event<'a>>,
}

/// Something a client said, lent until the decoder's next call.
///
/// `Debug` shows kinds and lengths, never what a peer sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Message(Message<'a>),
    /// At most 125 bytes, as is a pong.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The last event.
    Close(PeerClose<'a>),
}

/// A whole message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// Validated.
    Text(&'a str),
    /// Any bytes; whoever wants text of them has to validate.
    Binary(&'a [u8]),
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Ping(payload) => write!(f, "Ping({} bytes)", payload.len()),
            Self::Pong(payload) => write!(f, "Pong({} bytes)", payload.len()),
            Self::Close(close) => close.fmt(f),
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
        }
    }
}
