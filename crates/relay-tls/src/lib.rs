//! TLS for the relay: certificates from files or from ACME, their cache, the SNI and Host gates, the handshake.
//!
//! A source of certificates, [`CertificateFiles`] or [`Issuer`], keeps a [`Certificates`] up to date; a [`TlsAcceptor`]
//! serves them. Whoever owns the sockets, the timers and the signals calls in: this crate binds no address, spawns no
//! task, handles no signal, reads no environment and installs no global.
//! It knows nothing of the relay's other crates, and it shows no type of rustls or instant-acme.

mod accept;
mod acme;
mod cache;
mod certificate;
mod certificates;
mod clock;
mod error_text;
mod files;
mod names;

pub use accept::{AcceptError, SetupError, TlsAcceptor, TlsStream};
pub use acme::{AcmeConfig, ChallengeReply, Challenges, Issuer, IssuerError};
pub use cache::{CertCache, CertCacheError, Tightened};
pub use certificate::CertificateError;
pub use certificates::{CertificateState, Certificates};
pub use files::{CertificateFiles, FilesError};
pub use names::{DomainError, Domains, host_matches};

#[cfg(test)]
mod testing;
