//! Programs of Debian's that make faults: how a scenario finds out whether it has them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::ensure;

/// Makes system calls of another process fail; as root, or on children and with Yama's leave.
pub(super) const STRACE: &str = "/usr/bin/strace";

/// Whether a scenario has what it needs. Where it has not, it says so and passes.
///
/// # Errors
///
/// It has not, and this is CI, in which every scenario is played.
pub(super) fn is_there(what: &str, found: bool) -> anyhow::Result<bool> {
    if !found {
        let is_ci = std::env::var_os("CI").is_some();
        ensure!(!is_ci, "{what} is not installed");
        println!("     skipped: {what} is not installed");
    }
    Ok(found)
}

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
