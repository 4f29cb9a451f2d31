//! The heart of the relay without any IO: who is connected, what is queued for whom, what a frame means.
//!
//! This crate owns the [`Registry`] (membership, grace, takeover, drain), the [`Outbox`] of every leg with the
//! process-wide [`Budget`] behind it, the envelope codec, and the words both sides close with.
//! It opens no socket, spawns no task and reads no clock: time is an argument (`now`) everywhere, and waiting is
//! left to whoever owns a runtime.
//!
//! ```
//! use std::time::Instant;
//! use relay_core::{Limits, Origin, Registry, ServerId};
//!
//! let registry = Registry::new(Limits::default());
//! let id = ServerId::new(b"6f1c".as_slice());
//! let now = Instant::now();
//! let binary = registry.claim(&id, Origin::unknown(), now)?;
//! let phone = registry.join(&id, now)?;
//! assert_eq!(registry.snapshot().phones(), 1);
//!
//! phone.forward(br#"{"v":2}"#)?;
//! # drop((binary, phone));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod envelope;

mod budget;
mod close;
mod framing;
mod id;
mod incumbent;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod leg;
mod limits;
mod membership;
mod outbox;
mod random;
mod registry;
mod server;
mod snapshot;
mod stats;
mod sync;
#[cfg(test)]
mod testing;
mod wake;

pub use budget::Budget;
pub use close::{Cause, Close, CloseCode, Flush};
pub use id::{ConnId, Origin, ServerId};
pub use incumbent::{Incumbent, ProbeAnswer};
pub use limits::Limits;
pub use membership::{Binary, Delivery, Departure, ForwardError, Forwarded, Phone};
pub use outbox::{Chunk, Outbox, Work};
pub use registry::{ClaimError, JoinError, Registry};
pub use server::{BoxFuture, DrainServer};
pub use snapshot::{LegHandle, LegKind, Snapshot};
pub use stats::Stats;
pub use wake::{PushOff, WakePlatform, WakeRefused, WakeRequest, WakeSink, WakeToken};
