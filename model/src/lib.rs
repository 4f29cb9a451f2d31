//! relay-core once more, on locks and atomics behind which a scheduler decides who runs next.
//!
//! The modules are the very files of `crates/relay-core/src`; two of them, [`sync`] and [`random`], are this crate's
//! own. So the product's code has no switch in it that could be set wrong, no feature that a workspace build would
//! turn on for everybody, and needs no second build of everything under other flags: what is compiled twice is one
//! small crate. The tests are in `tests/races`; nothing else may depend on this package.

#[path = "../../crates/relay-core/src/envelope/mod.rs"]
pub mod envelope;

#[path = "../../crates/relay-core/src/budget.rs"]
mod budget;
#[path = "../../crates/relay-core/src/close.rs"]
mod close;
#[path = "../../crates/relay-core/src/framing.rs"]
mod framing;
#[path = "../../crates/relay-core/src/id.rs"]
mod id;
#[path = "../../crates/relay-core/src/incumbent.rs"]
mod incumbent;
#[path = "../../crates/relay-core/src/internals.rs"]
pub mod internals;
#[path = "../../crates/relay-core/src/leg.rs"]
mod leg;
#[path = "../../crates/relay-core/src/limits.rs"]
mod limits;
#[path = "../../crates/relay-core/src/membership.rs"]
mod membership;
#[path = "../../crates/relay-core/src/outbox/mod.rs"]
mod outbox;
mod random;
#[path = "../../crates/relay-core/src/registry/mod.rs"]
mod registry;
#[path = "../../crates/relay-core/src/snapshot.rs"]
mod snapshot;
#[path = "../../crates/relay-core/src/stats.rs"]
mod stats;
mod sync;
#[path = "../../crates/relay-core/src/wake.rs"]
mod wake;

pub use budget::Budget;
pub use close::{Cause, Close, CloseCode, Flush};
pub use id::{ConnId, Origin, ServerId};
pub use incumbent::{Incumbent, ProbeAnswer};
pub use limits::Limits;
pub use membership::{Binary, Delivery, Departure, ForwardError, Forwarded, Phone};
pub use outbox::{Chunk, Outbox, Work};
pub use registry::{ClaimError, JoinError, Registry};
pub use snapshot::{LegHandle, LegKind, Snapshot};
pub use stats::Stats;
pub use wake::{PushOff, WakePlatform, WakeRefused, WakeRequest, WakeSink, WakeToken};
