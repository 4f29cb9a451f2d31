//! A certificate from files: loaded, watched by asking, replaced only by a better one.

mod stamp;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::certificate::pem::Sections;
use crate::certificate::{Certificate, CertificateError};
use crate::certificates::Certificates;
use crate::error_text::with_causes;
use stamp::Stamp;

/// A chain and a key in two files (`--tls-cert`, `--tls-key`), which may also be one.
///
/// Nothing here watches on its own: call [`reload`](Self::reload) on a signal and [`poll`](Self::poll) on a timer. Both
/// read small local files, and block for as long as that takes.
#[derive(Debug)]
pub struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
    /// How the files looked before they were last read, so that a change during the reading is seen the next time.
    stamps: [Option<Stamp>; 2],
    /// When a certificate that came too early is worth another look.
    valid_from: Option<SystemTime>,
    certificates: Certificates,
}

/// Why certificate files were not loaded; what was served before, still is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file could not be read.
    #[error("could not read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files were read and cannot be served.
    #[error("could not use {}", path.display())]
    Unusable {
        /// Which of them is at fault; the chain where they do not fit together.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
}

impl CertificateFiles {
    /// Loads both files.
    ///
    /// # Errors
    /// They cannot be read, do not belong together, name no host, or are not valid at `now`.
    pub fn open(
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        now: SystemTime,
    ) -> Result<Self, FilesError> {
        let (chain, key) = (chain.into(), key.into());
        let stamps = stamps(&chain, &key);
        let certificate = load(&chain, &key, now)?;
        Ok(Self {
            chain,
            key,
            stamps,
            valid_from: None,
            certificates: Certificates::holding(certificate),
        })
    }

    /// What is served.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Loads both files again, changed or not, and serves them from now on.
    ///
    /// # Errors
    /// As for [`open`](Self::open); what was served before, still is, and the error is kept as the
    /// [`last_error`](crate::CertificateState::last_error).
    pub fn reload(&mut self, now: SystemTime) -> Result<(), FilesError> {
        self.stamps = stamps(&self.chain, &self.key);
        self.valid_from = None;
        let result = load(&self.chain, &self.key, now);
        match result {
            Ok(certificate) => {
                self.certificates.replace(certificate);
                Ok(())
            }
            Err(error) => {
                if let FilesError::Unusable {
                    source: CertificateError::NotYetValid { not_before },
                    ..
                } = error
                {
                    self.valid_from = Some(not_before);
                }
                self.certificates.report(0, Some(with_causes(&error)));
                Err(error)
            }
        }
    }

    /// Does [`reload`](Self::reload) when a file was changed or replaced since it was last read; says `None` when none was.
    ///
    /// A failure is told once, and tried again when a file changes: two files replaced one after the other fit
    /// together at the second poll. A certificate that is not valid yet is tried again when its time comes.
    pub fn poll(&mut self, now: SystemTime) -> Option<Result<(), FilesError>> {
        let is_due = self.valid_from.is_some_and(|valid_from| now >= valid_from);
        let is_changed = stamps(&self.chain, &self.key) != self.stamps;
        (is_due || is_changed).then(|| self.reload(now))
    }
}

fn stamps(chain: &Path, key: &Path) -> [Option<Stamp>; 2] {
    [Stamp::of(chain), Stamp::of(key)]
}

fn load(chain: &Path, key: &Path, now: SystemTime) -> Result<Certificate, FilesError> {
    let unusable = |path: &Path, source| FilesError::Unusable {
        path: path.to_owned(),
        source,
    };
    let certificates = read(chain)?.certificates;
    if certificates.is_empty() {
        return Err(unusable(chain, CertificateError::NoCertificate));
    }
    let Some(private) = read(key)?.keys.into_iter().next() else {
        return Err(unusable(key, CertificateError::NoKey));
    };
    Certificate::new(certificates, private, now).map_err(|source| {
        let is_of_key = matches!(source, CertificateError::UnusableKey { .. });
        unusable(if is_of_key { key } else { chain }, source)
    })
}

/// A chain is a few KiB; a device or a log given by mistake shall not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

fn read(path: &Path) -> Result<Sections, FilesError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut text))
        .map_err(|source| FilesError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
    Sections::read(&text).map_err(|source| FilesError::Unusable {
        path: path.to_owned(),
        source: CertificateError::Pem { source },
    })
}

#[cfg(test)]
mod tests;
