//! A door to what is not public, for instruction counts, fuzz targets, the conformance tests and the simulation. Behind
//! a feature; no promise is made of it.

#[cfg(feature = "echo")]
mod echo;
#[cfg(feature = "fuzz")]
mod fuzz;

#[cfg(feature = "echo")]
pub use echo::EchoServer;
#[cfg(feature = "fuzz")]
pub use fuzz::{assert_decoders_agree, proxied_source};

use crate::RelayService;
use crate::ws::{Bounds, Decoder, Event, Message, Violation};

/// Makes the moments of the heartbeats of connections from now on the same in every run.
pub fn seed_heartbeats(service: &RelayService, seed: u32) {
    service.shared.restart_seeds(seed);
}

/// The frame decoder, seen as a count of messages.
pub struct Decoding(Decoder);

impl Decoding {
    /// `max_message_bytes` is inclusive.
    #[must_use]
    pub fn new(max_message_bytes: usize) -> Self {
        Self(Decoder::new(Bounds::new(max_message_bytes)))
    }

    /// Decodes all of `bytes` and tells how many payload bytes of whole messages were in it.
    ///
    /// # Errors
    /// The close code that the peer's offence is answered with; nothing may be fed after it.
    pub fn feed(&mut self, mut bytes: &mut [u8]) -> Result<usize, u16> {
        let mut total = 0;
        while !bytes.is_empty() {
            let decoded = self.0.decode(bytes).map_err(Violation::close_code)?;
            total += match decoded.event {
                Some(Event::Message(Message::Text(text))) => text.len(),
                Some(Event::Message(Message::Binary(bytes))) => bytes.len(),
                Some(Event::Ping(_) | Event::Pong(_) | Event::Close(_)) | None => 0,
            };
            let consumed = decoded.consumed;
            bytes = &mut bytes[consumed..];
        }
        self.0.settle();
        Ok(total)
    }
}

impl std::fmt::Debug for Decoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let buffered = self.0.buffered_bytes();
        f.debug_struct("Decoding")
            .field("buffered_bytes", &buffered)
            .finish()
    }
}
