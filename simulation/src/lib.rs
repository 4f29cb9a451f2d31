//! A whole relay in one thread and in virtual time: the real registry, service and drain, with peers and a network
//! made up here, and every choice drawn from one seed.
//!
//! [`Plan::drawn`] makes a world of a seed, [`run`] lets it happen and says what was wrong, [`shrink()`] finds the
//! smallest part of it in which something still is.
//! It knows the relay from outside: what goes over the wire, and the figures that an operator sees. A few seeds of the
//! relay's own are set through its `internals`, or the same world would not happen twice.

mod actor;
mod checks;
mod clock;
mod ledger;
mod log;
mod peer;
mod plan;
mod random;
mod shrink;
mod trace;
mod wire;
mod world;

pub use plan::{NotSmaller, Plan, Smaller};
pub use shrink::shrink;
pub use trace::Trace;
pub use world::{Story, run};
