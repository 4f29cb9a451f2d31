//! Programs of Debian's that make faults: where a scenario finds them.

use std::fs;
use std::path::{Path, PathBuf};

/// Makes system calls of another process fail; as root, or on children and with Yama's leave.
pub(super) const STRACE: &str = "/usr/bin/strace";

/// The library that puts another clock before a process, in the directory of whichever architecture this is.
pub(super) fn libfaketime() -> Option<PathBuf> {
    let directories = fs::read_dir("/usr/lib").ok()?;
    directories
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
}

/// Whether there is a program at this path.
pub(super) fn has(program: &str) -> bool {
    Path::new(program).exists()
}
