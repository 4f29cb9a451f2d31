//! Where it was measured.

use std::fs;

/// What a reader of the figures should know of this machine.
pub(super) fn describe() -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|line| line.trim_start_matches([' ', '\t', ':']).to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let meminfo = read("/proc/meminfo");
    let memory = meminfo.lines().next().unwrap_or_default();
    vec![
        ("processor", model.unwrap_or_else(|| "unknown".to_owned())),
        ("cores", cores.to_string()),
        (
            "memory",
            memory.trim_start_matches("MemTotal:").trim().to_owned(),
        ),
        (
            "kernel",
            read("/proc/sys/kernel/osrelease").trim().to_owned(),
        ),
    ]
}
