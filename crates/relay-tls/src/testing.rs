//! What tests of several modules need.

use std::path::{Path, PathBuf};

/// An empty directory that goes away with its owner.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let id = getrandom::u64().unwrap();
        let path = std::env::temp_dir().join(format!("relay-tls-{id:016x}"));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
