//! TLS for the relay: certificates from files or from ACME, their cache, the SNI and Host gates, the handshake.
//!
//! A source of certificates, [`CertificateFiles`] or [`Issuer`], keeps a [`Certificates`] up to date; a [`TlsAcceptor`]
//! serves them. Whoever owns the sockets, the timers and the signals calls in: this crate binds no address, handles no
//! signal, installs no global and reads no environment, save that the system's trust roots may be moved by
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`. An issuer runs as one future; beside it there is a task per connection to the
//! authority, which ends with it, and a blocking one while a file is written.
//! It knows nothing of the relay's other crates, and it shows no type of rustls or instant-acme.
//!
//! ```no_run
//! use std::time::{Duration, Instant, SystemTime};
//!
//! use relay_tls::{AcmeConfig, CertCache, Domains, Issuer, TlsAcceptor};
//!
//! # async fn example(https: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
//! let domains = Domains::new(["relay.example.com"])?;
//! let cache = CertCache::open("/var/lib/pyrycode-relay/certs")?;
//! let issuer = Issuer::new(AcmeConfig::new(domains), cache, SystemTime::now())?;
//! let acceptor = TlsAcceptor::new(issuer.certificates())?;
//! let challenges = issuer.challenges().clone(); // for the listener on port 80
//! tokio::select! {
//!     never = issuer.run() => match never {},
//!     connection = https.accept() => {
//!         let deadline = Instant::now() + Duration::from_secs(5);
//!         let stream = acceptor.accept(connection?.0, deadline).await?;
//!         // …
//! #       drop((stream, challenges));
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod accept;
mod acme;
mod cache;
mod certificate;
mod certificates;
mod clock;
mod error_text;
mod files;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
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
