//! The WebSocket codec: client frames in, control frames out, as bytes and without any I/O.
//!
//! It owns RFC 6455 framing for the server's side: frame heads, masking, fragmentation, UTF-8, the rules a peer can
//! break and the control frames that answer it.
//! It must not know sockets, clocks, tasks, the registry, or what a message says: a caller feeds [`Decoder::decode`]
//! whatever a read returned, in whatever cuts, and acts on the [`Event`]s.
//! The heads of outgoing text frames belong to `relay-core`, which lays them into the outbox.
//!
//! All parsing state lives in the [`Decoder`] and none in a future, so a reader may be dropped between any two bytes.
//! `fastwebsockets` is used for its opcodes, status codes and unmasking; its readers are not, for the reasons
//! `docs/ARCHITECTURE.md` lists as fastwebsockets hazards H1–H21.

mod assembly;
mod bounds;
mod close;
mod decode;
mod encode;
mod event;
mod frame;
mod reassembly;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod trial;
mod utf8;
mod violation;

pub(crate) use bounds::Bounds;
pub(crate) use close::PeerClose;
pub(crate) use decode::Decoder;
pub(crate) use encode::{Encoded, close_frame, ping, pong};
pub(crate) use event::{Decoded, Event, Message};
pub(crate) use violation::Violation;
