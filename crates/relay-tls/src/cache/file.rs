//! Files that are either the old or the new, also after a crash or on a full disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A chain with its key is a few KiB.
const MAX_BYTES: u64 = 1 << 20;

/// The whole of a file; `None` when there is none.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Puts `bytes` at `name`, readable by us alone: under a name of its own first, on the disk before it takes its place.
pub(super) fn write(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    // Not to be guessed or shared: during a restart two relays may write to one cache.
    let unique = getrandom::u64().map_err(io::Error::other)?;
    let fresh = directory.join(format!(".{unique:016x}.tmp"));
    let result = write_synced(&fresh, bytes)
        .and_then(|()| fs::rename(&fresh, directory.join(name)))
        .and_then(|()| File::open(directory)?.sync_all());
    if result.is_err() {
        // It may never have come to be, or be in its place already.
        let _ = fs::remove_file(&fresh);
    }
    result
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::testing::Directory;

    #[test]
    fn replaces_whole_and_leaves_nothing_else() {
        let directory = Directory::new();
        let path = directory.path().join("a.example");
        assert_eq!(read(&path).unwrap(), None);
        for bytes in [&b"old and long"[..], b"new"] {
            write(directory.path(), "a.example", bytes).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), bytes);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        // The longest domain is close to the longest file name.
        write(directory.path(), &"a".repeat(253), b"").unwrap();
    }

    #[test]
    fn a_failed_write_leaves_the_old_and_no_litter() {
        let directory = Directory::new();
        // A directory in its place cannot be replaced by a file.
        fs::create_dir(directory.path().join("a.example")).unwrap();
        assert!(write(directory.path(), "a.example", b"new").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write(&directory.path().join("missing"), "a.example", b"new").is_err());
    }
}
