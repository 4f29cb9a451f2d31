//! Push wake: tells a sleeping phone, through Firebase Cloud Messaging, that its daemon has something for it.
//!
//! A wake carries nothing: no text, no data, only a device's token and a high priority.
//! This crate owns the [`Credentials`] and everything said to Google with them, and the [`Waker`]: when a wake may be
//! sent, how long it may wait, whether it is tried again, and the one line that tells how it ended.
//! It must not know binaries, phones or WebSockets; of the relay it knows [`relay_core::WakeSink`] and what that names.
//!
//! Neither a token, nor a byte of the key, nor a byte of a reply that has not been checked character by character is in
//! any log line, error or `Debug` output of this crate.

mod clock;
mod config;
mod credentials;
mod digest;
mod endpoint;
mod error;
mod fcm;
mod http_client;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod oauth;
mod stats;
#[cfg(test)]
mod testing;
mod waker;

pub use config::Config;
pub use credentials::{Credentials, CredentialsError};
pub use endpoint::{Endpoint, EndpointError};
pub use http_client::StartError;
pub use stats::{Outcome, Stats};
pub use waker::Waker;
