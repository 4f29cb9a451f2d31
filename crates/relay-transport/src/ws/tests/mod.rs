//! What the codec's tests share: a run of the decoder over bytes in given cuts, and what it made of them.

mod client;
mod closing;
mod differential;
mod encoding;
mod framing;
mod hazards;
mod limits;
mod memory;
mod messages;
mod reference;
mod utf8;

use client::*;

use super::*;

/// The product's limit on a message.
const MAX: usize = 262_144;

/// An [`Event`] that owns its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
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

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

fn binary(bytes: impl AsRef<[u8]>) -> Seen {
    Seen::Binary(bytes.as_ref().to_owned())
}

/// What a decoder made of a stream.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Outcome {
    events: Vec<Seen>,
    violation: Option<Violation>,
    /// Whether the stream stops inside a message.
    mid_message: bool,
}

impl Outcome {
    fn events(events: impl IntoIterator<Item = Seen>) -> Self {
        Self {
            events: events.into_iter().collect(),
            ..Self::default()
        }
    }

    fn violation(violation: Violation) -> Self {
        Self {
            violation: Some(violation),
            ..Self::default()
        }
    }
}

/// With the relay's limit on fragments.
fn decoder(max_bytes: usize) -> Decoder {
    Decoder::new(Bounds::new(max_bytes))
}

/// Feeds the parts one after the other, each as a read of its own, and checks what must hold throughout.
fn run<'a>(max: usize, parts: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
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

/// The same stream in one piece, in pieces of every small size, and cut in two at every byte.
fn run_every_cut(max: usize, stream: &[u8]) -> Outcome {
    let whole = run(max, [stream]);
    for size in 1..=stream.len().min(17) {
        assert_eq!(run(max, stream.chunks(size)), whole, "in pieces of {size}");
    }
    for at in 0..=stream.len() {
        let (front, back) = stream.split_at(at);
        assert_eq!(run(max, [front, back]), whole, "cut at {at}");
    }
    whole
}
