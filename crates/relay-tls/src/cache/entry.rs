//! One certificate in the cache: `<domain>`, as Go's autocert writes and reads it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, PrivateSec1KeyDer};

use super::file;
use crate::certificate::pem::{self, Sections};
use crate::certificate::{Certificate, CertificateError, key};

/// What key an entry must have, told by its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Ecdsa,
    Rsa,
}

/// Why an entry that is there is not used. It counts as missing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("could not read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} is not a key followed by a chain and nothing else", path.display())]
    Malformed { path: PathBuf },
    #[error("{} is of no use", path.display())]
    Unusable {
        path: PathBuf,
        source: CertificateError,
    },
}

/// Reads an entry, and takes it only if it is whole and fits: the rules of autocert's `cacheGet` and `validCert`.
pub(super) fn read(
    path: &Path,
    domain: &str,
    kind: Kind,
    now: SystemTime,
) -> Result<Option<Certificate>, EntryError> {
    let owned = || path.to_owned();
    let unusable = |source| EntryError::Unusable {
        path: owned(),
        source,
    };
    let text = match file::read(path) {
        Ok(Some(text)) => text,
        Ok(None) => return Ok(None),
        Err(source) => {
            return Err(EntryError::Unreadable {
                path: owned(),
                source,
            });
        }
    };
    if !is_key_then_chain(&text) {
        return Err(EntryError::Malformed { path: owned() });
    }
    let mut sections =
        Sections::read(&text).map_err(|source| unusable(CertificateError::Pem { source }))?;
    let key = sections
        .keys
        .pop()
        .ok_or_else(|| unusable(CertificateError::NoKey))?;
    let certificate = Certificate::new(sections.certificates, key, now).map_err(unusable)?;
    let has_such_a_key = match kind {
        Kind::Ecdsa => certificate.is_ecdsa(),
        Kind::Rsa => certificate.is_rsa(),
    };
    if !has_such_a_key {
        return Err(EntryError::Malformed { path: owned() });
    }
    if !certificate.covers(domain) {
        return Err(unusable(CertificateError::WrongName));
    }
    Ok(Some(certificate))
}

/// One section with a private key, then only certificates, to the last byte.
fn is_key_then_chain(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else {
        return false;
    };
    let mut inside = None;
    let mut sections = 0;
    for line in text.lines().map(str::trim_end) {
        match (inside, begins(line)) {
            (None, Some(label)) => {
                let fits = if sections == 0 {
                    label.ends_with("PRIVATE KEY")
                } else {
                    label == "CERTIFICATE"
                };
                if !fits {
                    return false;
                }
                inside = Some(label);
                sections += 1;
            }
            (None, None) if line.is_empty() => {}
            (Some(label), None) => {
                if ends(line) == Some(label) {
                    inside = None;
                }
            }
            (None, None) | (Some(_), Some(_)) => return false,
        }
    }
    inside.is_none() && sections > 1
}

fn begins(line: &str) -> Option<&str> {
    line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

fn ends(line: &str) -> Option<&str> {
    line.strip_prefix("-----END ")?.strip_suffix("-----")
}

/// What an authority issued, in the form that is kept.
#[derive(Clone)]
pub(crate) struct Issued {
    chain: Vec<CertificateDer<'static>>,
    sec1: Vec<u8>,
}

impl Issued {
    /// From the chain as the authority sends it, and the key as it was made for the request.
    pub(crate) fn from_pem(chain: &str, key: &str) -> Result<Self, CertificateError> {
        let read = |text: &str| {
            Sections::read(text.as_bytes()).map_err(|source| CertificateError::Pem { source })
        };
        let chain = read(chain)?.certificates;
        let key = read(key)?.keys.pop().ok_or(CertificateError::NoKey)?;
        let sec1 = key::to_sec1(key.secret_der()).ok_or(CertificateError::NoKey)?;
        Ok(Self { chain, sec1 })
    }

    /// Ready to be served.
    pub(crate) fn certificate(&self, now: SystemTime) -> Result<Certificate, CertificateError> {
        let key = PrivateSec1KeyDer::from(self.sec1.clone());
        Certificate::new(self.chain.clone(), key.into(), now)
    }

    pub(super) fn to_entry(&self) -> String {
        let mut text = String::new();
        pem::write(&mut text, "EC PRIVATE KEY", &self.sec1);
        for certificate in &self.chain {
            pem::write(&mut text, "CERTIFICATE", certificate);
        }
        text
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}
