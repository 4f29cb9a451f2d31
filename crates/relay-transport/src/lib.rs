//! The relay on the wire: an HTTP server or embeddable service, and the WebSocket connections behind it.
//!
//! [`ServerBuilder`] makes either a [`Server`] with its own listener or a [`RelayService`] for somebody else's hyper
//! or axum server. Both take part in a drain through [`relay_core::DrainServer`].
//! This crate owns sockets, deadlines and the WebSocket protocol; who is connected is the registry's to know.
//! It installs no global, reads no environment and handles no signal.

mod accept;
mod admission;
mod builder;
mod clock;
mod config;
mod connection;
mod deadlines;
mod endpoint;
mod health;
mod http1;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod listener_error;
mod log;
mod scratch;
mod server;
mod service;
mod shortage;
mod stats;
mod stream;
mod tasks;
#[cfg(test)]
mod testing;
mod upgrade;
mod ws;

pub use accept::{Accept, Io};
pub use admission::{Cidr, CidrError, ForwardedFor};
pub use builder::{BoundServer, ServerBuilder};
pub use config::{Config, ProxyProtocol, RateLimit};
pub use http1::Http1;
pub use listener_error::ListenerError;
pub use server::Server;
pub use service::{PeerService, RelayService, ResponseBody};
pub use stats::{ClosedBy, Closes, TransportStats, Upgrades};
