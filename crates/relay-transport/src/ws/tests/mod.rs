//! What the codec's tests share: expected outcomes, and a run of the decoder over a stream in every cut.

mod client;
mod closing;
mod differential;
mod encoding;
mod framing;
mod hazards;
mod limits;
mod memory;
mod messages;
mod utf8;

use client::*;

use super::trial::{Outcome, Seen, decoder, run};
use super::*;

/// The product's limit on a message.
const MAX: usize = 262_144;

fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

fn binary(bytes: impl AsRef<[u8]>) -> Seen {
    Seen::Binary(bytes.as_ref().to_owned())
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
