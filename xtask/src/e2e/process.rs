//! What the kernel says of a process, from `/proc`: its state, its CPU time, its memory, its open files.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Pid;

/// Stopped by a signal, as `proc_pid_stat(5)` has it.
pub(super) const STOPPED: &str = "T";

/// The state of a process, a letter.
///
/// # Errors
///
/// The process has ended, or the system is not Linux.
pub(super) fn state(process: Pid) -> anyhow::Result<String> {
    field(process, 0)
}

/// CPU time of all its threads so far, user and system together; in steps of a clock tick, mostly 10 ms.
///
/// # Errors
///
/// As [`state`].
pub(super) fn cpu_time(process: Pid) -> anyhow::Result<Duration> {
    let user: u64 = field(process, 11)?.parse()?;
    let system: u64 = field(process, 12)?.parse()?;
    let ticks = u32::try_from(user + system).context("more ticks than a test can last")?;
    let tick = Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(tick * ticks)
}

/// How many files it has open.
///
/// # Errors
///
/// As [`state`].
pub(super) fn open_files(process: Pid) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resident {
    /// What it holds now.
    pub(super) now: u64,
    /// The most it has ever held.
    pub(super) peak: u64,
}

/// The resident memory of a process.
///
/// # Errors
///
/// As [`state`].
pub(super) fn resident(process: Pid) -> anyhow::Result<Resident> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let bytes = |key: &str| {
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_suffix("kB"));
        let kibibytes = kibibytes.with_context(|| format!("no {key} in {status}"))?;
        anyhow::Ok(kibibytes.trim().parse::<u64>()? * 1024)
    };
    Ok(Resident {
        now: bytes("VmRSS:")?,
        peak: bytes("VmHWM:")?,
    })
}

/// A field of `/proc/PID/stat`, counted from behind the name in parentheses, which may hold anything.
fn field(process: Pid, index: usize) -> anyhow::Result<String> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("a name in parentheses")?;
    let field = fields.split_whitespace().nth(index);
    field.map(str::to_owned).context("a field of stat")
}
