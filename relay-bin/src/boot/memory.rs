//! How much memory this process may use: the tightest of its control groups' limits and the machine's memory.
//!
//! The machine counts because a small VM often has no control group limit at all, and is exhausted all the same.
//! It must not know what the memory is for: `config` decides on the share.

use std::fs;
use std::path::{Path, PathBuf};

/// The limit in bytes; `None` where nothing tells, as on systems other than Linux.
#[must_use]
pub fn limit() -> Option<u64> {
    limit_from(|path| fs::read_to_string(path).ok())
}

/// The limit, from files that `read` returns the text of.
fn limit_from(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| machine_memory(&text));
    limit_files(&groups)
        .filter_map(|path| group_limit(&read(&path)?))
        .chain(machine)
        .min()
}

/// The files with the limits of the groups in a `/proc/self/cgroup`, from each group up to the root of its hierarchy.
///
/// A parent's limit binds its children, whose own file does not show it.
/// The root is asked in any case: in a container without a group namespace the path is the host's and leads nowhere here.
fn limit_files(groups: &str) -> impl Iterator<Item = PathBuf> {
    groups
        .lines()
        .filter_map(hierarchy)
        .flat_map(|(root, file, group)| {
            let group = group.trim_start_matches('/').to_owned();
            // A process outside its group namespace has a path that climbs: nothing below the root is known then.
            let group = if group.split('/').any(|part| part == "..") {
                PathBuf::new()
            } else {
                PathBuf::from(group)
            };
            let files: Vec<_> = group
                .ancestors()
                .map(|group| Path::new(root).join(group).join(file))
                .collect();
            files
        })
}

/// Where a line of `/proc/self/cgroup`, `id:controllers:path`, has its limits: mount point, file and path.
fn hierarchy(line: &str) -> Option<(&'static str, &'static str, &str)> {
    let mut parts = line.splitn(3, ':');
    let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    if id == "0" && controllers.is_empty() {
        Some(("/sys/fs/cgroup", "memory.max", path))
    } else if controllers.split(',').any(|name| name == "memory") {
        Some(("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path))
    } else {
        None
    }
}

/// A limit file's number; `max` and version 1's number for it, the largest whole page, mean none.
fn group_limit(text: &str) -> Option<u64> {
    const UNLIMITED: u64 = 1 << 62;
    let limit = text.trim().parse().ok()?;
    (limit < UNLIMITED).then_some(limit)
}

/// The `MemTotal` of a `/proc/meminfo`, in bytes.
fn machine_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:        2097152 kB\nMemFree:         1000000 kB\n";
    const GIB: u64 = 1 << 30;

    /// Checks the limit found when only these files exist.
    #[track_caller]
    fn check(files: &[(&str, &str)], limit: Option<u64>) {
        let read = |path: &Path| {
            let (_, text) = files.iter().find(|(name, _)| Path::new(name) == path)?;
            Some((*text).to_owned())
        };
        assert_eq!(limit_from(read), limit, "{files:#?}");
    }

    const OWN: &str = "/proc/self/cgroup";

    #[test]
    fn the_machine_bounds_what_groups_do_not() {
        let machine = ("/proc/meminfo", MEMINFO);
        let own = (OWN, "0::/\n");
        let file = "/sys/fs/cgroup/memory.max";
        check(&[], None);
        check(&[machine], Some(2 * GIB));
        check(&[machine, own, (file, "max\n")], Some(2 * GIB));
        check(&[machine, own, (file, "268435456\n")], Some(GIB / 4));
        check(&[machine, own, (file, "99999999999\n")], Some(2 * GIB));
    }

    #[test]
    fn the_tightest_group_up_to_the_root_counts() {
        let own = (OWN, "0::/system.slice/relay.service\n");
        let service = "/sys/fs/cgroup/system.slice/relay.service/memory.max";
        let slice = "/sys/fs/cgroup/system.slice/memory.max";
        let root = "/sys/fs/cgroup/memory.max";
        check(&[own, (service, "1000\n"), (slice, "2000\n")], Some(1000));
        check(&[own, (service, "max\n"), (slice, "2000\n")], Some(2000));
        check(&[own, (root, "3000\n")], Some(3000));
    }

    #[test]
    fn version_1_is_read_where_it_has_the_memory_controller() {
        let own = (
            OWN,
            "9:name=systemd:/\n4:memory,hugetlb:/docker/abc\n0::/\n",
        );
        let group = "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes";
        let root = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
        let none = "9223372036854771712\n";
        check(&[own, (group, "4096\n"), (root, none)], Some(4096));
        check(&[own, (group, none), (root, none)], None);
        // Without a group namespace the container sees its own group as the root.
        check(&[own, (root, "8192\n")], Some(8192));
    }

    #[test]
    fn what_cannot_be_understood_is_no_limit() {
        let file = "/sys/fs/cgroup/memory.max";
        check(&[(OWN, "::\n0:\nx\n0::/\n"), (file, "lots\n")], None);
        check(&[("/proc/meminfo", "MemTotal: x kB")], None);
        check(
            &[("/proc/meminfo", "MemTotal: 18446744073709551615 kB")],
            None,
        );
        let outside = (OWN, "0::/../../x\n");
        check(
            &[
                outside,
                (file, "5000\n"),
                ("/sys/fs/cgroup/../../x/memory.max", "1"),
            ],
            Some(5000),
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_real_machine_has_a_limit() {
        assert!(limit().is_some_and(|limit| limit > 1 << 20));
    }
}
