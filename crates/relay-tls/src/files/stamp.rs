//! What tells that a file is no longer the one that was read.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Identity, size and times of the file a path leads to, symbolic links followed.
///
/// Replacing by rename shows in the inode, writing in place in size or time; the change time also tells a rewrite that
/// put the modification time back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None` when there is nothing to look at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
