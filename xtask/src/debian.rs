//! The referees that tests ask, and the peers that measurements are held against: what cargo cannot build, from
//! Debian's packages.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::steps::check;
use crate::tally::Tally;

/// What tests start: programs by their paths, and the packages they are in.
pub(crate) const REFEREES: &[(&str, &str)] = &[
    // Not asked, but needed to build the relay's allocator.
    ("/usr/bin/make", "make"),
    ("/usr/bin/valgrind", "valgrind"),
    ("/usr/bin/strace", "strace"),
    ("/usr/bin/faketime", "faketime"),
    ("/usr/bin/promtool", "prometheus"),
    ("/usr/bin/prometheus", "prometheus"),
    ("/usr/bin/pebble", "pebble"),
    ("/usr/bin/pebble-challtestsrv", "pebble"),
];

/// What the relay is measured beside.
pub(crate) const PROXIES: &[(&str, &str)] = &[
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/sbin/haproxy", "haproxy"),
];

/// Installs what is missing, as root where there is apt-get; else says so, and who needs it speaks for itself.
pub(crate) fn install_missing(programs: &[(&'static str, &'static str)]) -> anyhow::Result<Tally> {
    let packages = packages_of(programs, |program| !Path::new(program).exists());
    if packages.is_empty() {
        println!("nothing is missing");
        return Ok(Tally::default());
    }
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        println!(
            "missing, and not installed for want of root or apt-get: {}",
            packages.join(" ")
        );
        return Ok(Tally::default());
    }
    let _no_services = NoServices::declare();
    check(apt_get().arg("update"))?;
    let mut install = apt_get();
    install.args(["install", "--yes", "--no-install-recommends"]);
    check(install.args(packages))
}

/// Each once.
fn packages_of(
    programs: &[(&'static str, &'static str)],
    is_missing: impl Fn(&str) -> bool,
) -> Vec<&'static str> {
    let missing = programs.iter().filter(|(program, _)| is_missing(program));
    let packages: BTreeSet<_> = missing.map(|(_, package)| *package).collect();
    packages.into_iter().collect()
}

fn apt_get() -> Command {
    let mut command = Command::new("/usr/bin/apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

/// What package scripts ask before they start a service; 101 is no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it lives, a package that brings a service does not start it: a Prometheus on 9090 would be in a relay's way.
///
/// # Drop
/// Takes back what it declared, and nothing that was there before.
struct NoServices {
    is_ours: bool,
}

impl NoServices {
    fn declare() -> Self {
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY)
            .and_then(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n"));
        Self {
            is_ours: created.is_ok(),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours && fs::remove_file(POLICY).is_err() {
            println!("could not remove {POLICY}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_program_is_enough_for_its_package() {
        let challenges = |program: &str| program.ends_with("pebble-challtestsrv");
        assert_eq!(packages_of(REFEREES, challenges), ["pebble"]);
        assert_eq!(
            packages_of(REFEREES, |_| true),
            [
                "faketime",
                "make",
                "pebble",
                "prometheus",
                "strace",
                "valgrind"
            ]
        );
        assert!(packages_of(REFEREES, |_| false).is_empty());
    }
}
