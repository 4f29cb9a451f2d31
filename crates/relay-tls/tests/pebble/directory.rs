//! A directory for one test.

use std::path::{Path, PathBuf};

pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let id = getrandom::u64().unwrap();
        let path = std::env::temp_dir().join(format!("relay-tls-pebble-{id:016x}"));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // An issuer that was dropped may have been writing to its cache: what came in between goes the next time.
        let _ = (0..10).find(|_| std::fs::remove_dir_all(&self.0).is_ok());
    }
}
