//! The ACME account on disk: ours, and the key that an earlier relay left.

use std::fmt;
use std::io;
use std::path::Path;

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};

use super::file;
use crate::certificate::key;
use crate::certificate::pem::Sections;

const FILE: &str = "acme_account.json";

/// What autocert writes, and what it wrote before that.
const LEGACY_FILES: [&str; 2] = ["acme_account+key", "acme_account.key"];

/// An account, and with whom and as whom it was made.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredAccount {
    /// The directory URL; an account is of no use elsewhere.
    pub(crate) directory: String,
    pub(crate) email: Option<String>,
    pub(crate) credentials: AccountCredentials,
}

impl fmt::Debug for StoredAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredAccount")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

pub(super) fn read(directory: &Path) -> io::Result<Option<StoredAccount>> {
    let Some(text) = file::read(&directory.join(FILE))? else {
        return Ok(None);
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        // Only where: what serde says may quote the text, and that is a private key.
        let (line, column) = (error.line(), error.column());
        let place = format!("malformed at line {line}, column {column}");
        io::Error::new(io::ErrorKind::InvalidData, place)
    })
}

pub(super) fn write(directory: &Path, account: &StoredAccount) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(account)?;
    text.push(b'\n');
    file::write(directory, FILE, &text)
}

/// The key, as PKCS#8. One that cannot be read or is not on P-256 is as good as none: a new account costs nothing.
pub(super) fn legacy_key(directory: &Path) -> Option<Vec<u8>> {
    LEGACY_FILES.iter().find_map(|name| {
        let text = file::read(&directory.join(name)).ok()??;
        let key = Sections::read(&text).ok()?.keys.pop()?;
        key::to_pkcs8(key.secret_der())
    })
}
