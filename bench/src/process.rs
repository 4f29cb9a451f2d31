//! What the kernel says of the process under measurement.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// A process by its number: the relay's, which the caller of this program has started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched(Pid);

impl Watched {
    pub(crate) fn new(pid: i32) -> anyhow::Result<Self> {
        Pid::from_raw(pid)
            .map(Self)
            .context("a process id is positive")
    }

    /// Time on a processor so far, of all threads that live.
    pub(crate) fn cpu(self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.0.as_raw_nonzero());
        let mut nanoseconds = 0;
        for task in fs::read_dir(&tasks).with_context(|| tasks.clone())? {
            // A thread that ended meanwhile takes its time with it; the relay's workers never do.
            let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let first = stat.split_ascii_whitespace().next().context("schedstat")?;
            nanoseconds += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Resident memory in bytes.
    pub(crate) fn rss(self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.0.as_raw_nonzero());
        let status = fs::read_to_string(&path).context(path)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("VmRSS")?;
        Ok(kibibytes.trim().parse::<u64>()? * 1024)
    }

    pub(crate) fn terminate(self) -> anyhow::Result<()> {
        kill_process(self.0, Signal::TERM).context("SIGTERM")
    }

    /// Waits until it has ended, be it that nobody has collected it yet. `false` if it has not in time.
    pub(crate) fn wait(self, limit: Duration) -> anyhow::Result<bool> {
        let pidfd = match pidfd_open(self.0, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(true),
            Err(error) => return Err(error).context("pidfd_open"),
        };
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        let timeout = Timespec::try_from(limit).context("timeout")?;
        Ok(poll(&mut fds, Some(&timeout))? > 0)
    }
}
