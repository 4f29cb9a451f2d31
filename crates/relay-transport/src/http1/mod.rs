//! HTTP/1.1 on one connection of a listener of ours: its deadlines, until it ends or becomes a WebSocket.

mod serve;
mod waits;
mod watched;

pub use serve::Http1;
pub(crate) use serve::serve;
pub(crate) use waits::{Timeouts, Waits};
pub(crate) use watched::Watched;
