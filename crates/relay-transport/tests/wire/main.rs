//! The relay over real sockets, from the upgrade to the drain.
//!
//! A test whose name starts with `cNN_` is case NN of the list of wire cases that the relay it replaces was
//! described by; the other names say what else has to hold.

#[path = "../support/mod.rs"]
mod support;

mod admission;
mod backlog;
mod backpressure;
mod budget;
mod churn;
mod claims;
mod directives;
mod drain;
mod drain_load;
mod drain_queues;
mod grace;
mod leaving;
mod listener;
mod liveness;
mod load;
mod offences;
mod panics;
mod probe;
mod proxy;
mod readable;
mod routing;
mod secrets;
mod upgrade;
