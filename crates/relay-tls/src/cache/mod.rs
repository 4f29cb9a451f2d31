//! Certificates and the ACME account on disk, in the layout that Go's `autocert.DirCache` left there.

mod account;
mod directory;
mod entry;
mod file;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::certificate::Certificate;

pub(crate) use account::StoredAccount;
pub use directory::{CertCacheError, Tightened};
pub(crate) use entry::{EntryError, Issued};

/// A directory that only we may read, opened. Clones are the same directory.
///
/// | File | Holds |
/// |---|---|
/// | `<domain>` | private key on P-256 (`EC PRIVATE KEY`), then the chain, leaf first |
/// | `<domain>+rsa` | the same with an RSA key; read, never written |
/// | `acme_account.json` | the ACME account |
/// | `acme_account+key`, `acme_account.key` | the account key of the relay before this one; read, never written |
#[derive(Clone, Debug)]
pub struct CertCache {
    path: PathBuf,
    tightened: Option<Tightened>,
}

impl CertCache {
    /// Makes the directory with mode 0700 if it is missing, and takes group's and others' rights away if it is ours.
    ///
    /// # Errors
    /// The path is empty or leads to something else than a directory, or others have rights on a directory that is
    /// not ours, whose mode is left alone then.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, CertCacheError> {
        let path = path.into();
        let tightened = directory::secure(&path)?;
        Ok(Self { path, tightened })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was done about a mode that was too wide; worth a line in the log.
    pub fn tightened(&self) -> Option<&Tightened> {
        self.tightened.as_ref()
    }

    /// The certificate of a domain: the usual one on P-256, else an RSA one that an earlier relay left.
    ///
    /// `None` when there is none; an error when there is one that is of no use, which comes to the same.
    pub(crate) fn certificate(
        &self,
        domain: &str,
        now: SystemTime,
    ) -> Result<Option<Certificate>, EntryError> {
        let found = entry::read(&self.path.join(domain), domain, entry::Kind::Ecdsa, now);
        if matches!(found, Ok(Some(_))) {
            return found;
        }
        match entry::read(
            &self.path.join(format!("{domain}+rsa")),
            domain,
            entry::Kind::Rsa,
            now,
        ) {
            Ok(Some(rsa)) => Ok(Some(rsa)),
            Ok(None) | Err(_) => found,
        }
    }

    /// Keeps what the authority issued.
    pub(crate) fn store(&self, domain: &str, issued: &Issued) -> io::Result<()> {
        file::write(&self.path, domain, issued.to_entry().as_bytes())
    }

    /// The account, if one is kept and can be read.
    pub(crate) fn account(&self) -> io::Result<Option<StoredAccount>> {
        account::read(&self.path)
    }

    /// The key of an earlier relay's account, as PKCS#8.
    pub(crate) fn legacy_account_key(&self) -> Option<Vec<u8>> {
        account::legacy_key(&self.path)
    }

    /// Does `work` where blocking on the disk holds up nobody; it is finished even if nobody waits any more.
    pub(crate) async fn off_thread(
        &self,
        work: impl FnOnce(&Self) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let cache = self.clone();
        tokio::task::spawn_blocking(move || work(&cache))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    pub(crate) fn store_account(&self, account: &StoredAccount) -> io::Result<()> {
        account::write(&self.path, account)
    }
}

#[cfg(test)]
mod tests;
