//! Ending a relay cleanly: the order of the steps, their deadlines, and the account of what happened.
//!
//! [`shutdown()`] drains a registry and any servers around it, the relay's own or the embedder's. What to do next is
//! decided by a pure step machine; this crate's only future carries it out.
//! It knows no socket and no server type: what it needs of a server is [`relay_core::DrainServer`].

mod clock;
mod context;
mod plan;
mod report;
mod shutdown;
mod spread;

pub use context::{CutHandle, ShutdownContext};
pub use report::{Outcome, ShutdownReport};
pub use shutdown::shutdown;
