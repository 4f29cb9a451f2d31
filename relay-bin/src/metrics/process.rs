//! The process as the system sees it, from `/proc`; nothing on systems without.
//!
//! Names and meanings are those of Prometheus's client libraries, so that stock dashboards find them.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::text::Text;

/// What the process used up to now, and its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    open_fds: usize,
    /// `None` for no limit.
    max_fds: Option<u64>,
    /// Since 1970, in seconds.
    started: f64,
}

impl Process {
    pub(super) fn read() -> Option<Self> {
        let text = |path| fs::read_to_string(path).ok();
        // Reading the directory takes a descriptor of its own.
        let open_fds = fs::read_dir("/proc/self/fd").ok()?.count() - 1;
        let stat = Stat::of(&text("/proc/self/stat")?)?;
        let ticks = clock_ticks_per_second() as f64;
        let booted = booted(&text("/proc/stat")?)?;
        Some(Self {
            cpu_seconds: stat.cpu_ticks as f64 / ticks,
            resident_bytes: resident_pages(&text("/proc/self/statm")?)? * page_size() as u64,
            open_fds,
            max_fds: getrlimit(Resource::Nofile).current,
            started: booted + stat.started_ticks as f64 / ticks,
        })
    }

    pub(super) fn write(&self, text: &mut Text) {
        text.counter(
            "process_cpu_seconds_total",
            "CPU time used, user and system.",
        )
        .value(self.cpu_seconds);
        text.gauge("process_resident_memory_bytes", "Resident memory.")
            .value(self.resident_bytes);
        text.gauge("process_open_fds", "Open file descriptors.")
            .value(self.open_fds);
        if let Some(max_fds) = self.max_fds {
            text.gauge("process_max_fds", "Limit of open file descriptors.")
                .value(max_fds);
        }
        text.gauge(
            "process_start_time_seconds",
            "Start of the process, in seconds since 1970.",
        )
        .value(self.started);
    }
}

/// What is used of `/proc/self/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_ticks: u64,
    started_ticks: u64,
}

impl Stat {
    fn of(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may itself hold spaces and parentheses.
        let (_, fields) = text.rsplit_once(") ")?;
        // The first one here is the third of proc(5): utime is the 14th, stime the 15th, starttime the 22nd.
        let mut fields = fields.split_ascii_whitespace();
        let user: u64 = fields.nth(14 - 3)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let started_ticks = fields.nth(22 - 16)?.parse().ok()?;
        Some(Self {
            cpu_ticks: user + system,
            started_ticks,
        })
    }
}

/// When the machine was booted, in seconds since 1970, from `/proc/stat`.
fn booted(text: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// The second field of `/proc/self/statm`.
fn resident_pages(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_program_name() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 8000 1 1\n";
        let expected = Stat {
            cpu_ticks: 300,
            started_ticks: 8000,
        };
        assert_eq!(Stat::of(stat), Some(expected));
        assert_eq!(Stat::of("7 (x) S 1"), None);
        assert_eq!(booted("cpu 1 2\nbtime 1700000000\n"), Some(1.7e9));
        assert_eq!(resident_pages("100 42 7 1 0 9 0\n"), Some(42));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_plausible() {
        let process = Process::read().unwrap();
        assert!(process.resident_bytes > 1 << 20, "{process:?}");
        assert!(process.open_fds >= 3, "{process:?}");
        assert!(process.started > 1.6e9, "{process:?}");
    }
}
