//! A certificate that can be served: chain and key, checked to belong together, with the facts of its leaf.

pub(crate) mod der;
pub(crate) mod key;
mod leaf;
pub(crate) mod pem;
mod time;

#[cfg(test)]
pub(crate) mod testing;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, SignatureAlgorithm, SignatureScheme};

pub(crate) use leaf::{Leaf, RenewalId, Validity};

use crate::names;

/// Why a chain and a key cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A PEM section is broken off or is not base64.
    #[error("it is not whole PEM")]
    Pem {
        /// What the decoder says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no `CERTIFICATE` section.
    #[error("it has no certificate")]
    NoCertificate,
    /// There is no section with a private key.
    #[error("it has no private key")]
    NoKey,
    /// The first certificate cannot be read.
    #[error("its first certificate is malformed")]
    MalformedLeaf,
    /// The private key cannot be read, or is of a kind that TLS has no use for.
    #[error("its private key cannot be used")]
    UnusableKey {
        /// What the crypto provider says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The private key is not the first certificate's.
    #[error("its private key does not belong to its first certificate")]
    KeyMismatch,
    /// The certificate names no host.
    #[error("its first certificate names no host")]
    NoNames,
    /// The certificate does not name the domain it is wanted for.
    #[error("its first certificate does not name the domain")]
    WrongName,
    /// The certificate's days are over.
    #[error("its first certificate has expired")]
    Expired {
        /// When it did.
        not_after: SystemTime,
    },
    /// The certificate's days have not begun.
    #[error("its first certificate is not valid yet")]
    NotYetValid {
        /// When it will be.
        not_before: SystemTime,
    },
}

/// A chain and its key, ready to be served.
#[derive(Clone)]
pub(crate) struct Certificate {
    key: Arc<CertifiedKey>,
    leaf: Leaf,
}

impl Certificate {
    /// Checks that the chain's leaf can be read, belongs to the key, names a host and is valid at `now`.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let Some(first) = chain.first() else {
            return Err(CertificateError::NoCertificate);
        };
        let leaf = Leaf::read(first).ok_or(CertificateError::MalformedLeaf)?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|source| CertificateError::UnusableKey {
                source: source.into(),
            })?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) => {}
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                return Err(CertificateError::KeyMismatch);
            }
            Err(_) => return Err(CertificateError::MalformedLeaf),
        }
        if leaf.names.is_empty() {
            return Err(CertificateError::NoNames);
        }
        if now > leaf.validity.not_after {
            return Err(CertificateError::Expired {
                not_after: leaf.validity.not_after,
            });
        }
        if now < leaf.validity.not_before {
            return Err(CertificateError::NotYetValid {
                not_before: leaf.validity.not_before,
            });
        }
        Ok(Self {
            key: Arc::new(key),
            leaf,
        })
    }

    pub(crate) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    pub(crate) fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    pub(crate) fn covers(&self, name: &str) -> bool {
        names::covers(&self.leaf.names, name)
    }

    pub(crate) fn is_ecdsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::ECDSA
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.key.key.algorithm() == SignatureAlgorithm::RSA
    }

    /// Whether a client that offers these schemes can check our signature.
    pub(crate) fn suits(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(schemes).is_some()
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

/// The one crypto provider, named wherever rustls would otherwise ask for a process-wide default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
