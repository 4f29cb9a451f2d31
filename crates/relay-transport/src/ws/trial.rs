//! A run of the decoder over bytes in given cuts, and what it made of them: for its tests and for fuzz targets.
//!
//! It must not know what a stream ought to amount to; that is [`reference`](super::reference)'s.

use super::{Bounds, Decoded, Decoder, Event, Message, PeerClose, Violation};

/// An [`Event`] that owns its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Self::Text(text.to_owned()),
            Event::Message(Message::Binary(bytes)) => Self::Binary(bytes.to_owned()),
            Event::Ping(payload) => Self::Ping(payload.to_owned()),
            Event::Pong(payload) => Self::Pong(payload.to_owned()),
            Event::Close(PeerClose::NoStatus) => Self::Close(None),
            Event::Close(PeerClose::Status { code, reason }) => {
                Self::Close(Some((code, reason.to_owned())))
            }
        }
    }
}

/// What a decoder made of a stream.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Seen>,
    pub(crate) violation: Option<Violation>,
    /// Whether the stream stops inside a message.
    pub(crate) mid_message: bool,
}

/// With the relay's limit on fragments.
pub(crate) fn decoder(max_bytes: usize) -> Decoder {
    Decoder::new(Bounds::new(max_bytes))
}

/// Feeds the parts one after the other, each as a read of its own, and checks what must hold throughout.
pub(crate) fn run<'a>(max: usize, parts: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoder = decoder(max);
    let mut outcome = Outcome::default();
    for part in parts {
        let mut part = part.to_vec();
        let mut done = 0;
        while done < part.len() {
            let left = part.len() - done;
            match decoder.decode(&mut part[done..]) {
                Ok(Decoded {
                    consumed,
                    event: None,
                }) => {
                    assert_eq!(consumed, left, "no event, yet bytes are left");
                    done += consumed;
                }
                Ok(Decoded {
                    consumed,
                    event: Some(event),
                }) => {
                    assert!(consumed <= left, "more consumed than there was");
                    done += consumed;
                    outcome.events.push(event.into());
                    if matches!(event, Event::Close(_)) {
                        return outcome;
                    }
                }
                Err(violation) => {
                    assert!(!decoder.is_idle(), "a violation is the end");
                    assert!(
                        decoder.buffered_bytes() <= 125,
                        "a violation left a message"
                    );
                    decoder.settle();
                    assert_eq!(decoder.buffered_bytes(), 0, "a violation left a buffer");
                    outcome.violation = Some(violation);
                    return outcome;
                }
            }
            assert!(
                decoder.buffered_bytes() <= max + 125,
                "{} bytes held",
                decoder.buffered_bytes()
            );
        }
        decoder.settle();
        assert!(
            !decoder.is_idle() || decoder.buffered_bytes() == 0,
            "idle with a buffer"
        );
    }
    outcome.mid_message = decoder.mid_message();
    outcome
}
