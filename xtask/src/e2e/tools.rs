//! Programs of Debian's that make faults: where a scenario finds them.

use std::fs;
use std::path::{Path, PathBuf};

/// Makes system calls of another process fail.
pub(super) const STRACE: &str = "/usr/bin/strace";

/// Whether strace is there and may look into a process that is not its child: as root, or where Yama lets everybody.
pub(super) fn may_trace() -> bool {
    let is_let = rustix::process::geteuid().is_root()
        || fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .map_or(true, |scope| scope.trim() == "0");
    is_let && Path::new(STRACE).exists()
}

/// The library that puts another clock before a process, in the directory of whichever architecture this is.
pub(super) fn libfaketime() -> Option<PathBuf> {
    let directories = fs::read_dir("/usr/lib").ok()?;
    directories
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.exists())
}
