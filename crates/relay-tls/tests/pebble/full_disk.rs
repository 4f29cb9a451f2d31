//! The disk of the certificate cache is full, or mounted read-only: a real one, in a mount namespace of the test's own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use relay_tls::CertificateState;
use rustls::version::TLS13;

use crate::authority::{Options, is_installed};
use crate::stage::Stage;

const FIRST: &str = "relay.example.test";

/// Set for a run in a mount namespace of its own.
const INSIDE: &str = "RELAY_TLS_PEBBLE_INSIDE";

/// Runs this test once more, where what it mounts is nobody else's and goes with it. True in that run.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let probe = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "true"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        let missing = "a disk to fill cannot be mounted: that takes CAP_SYS_ADMIN, as root has it";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        println!("skipped: {missing}");
        return false;
    }
    let run = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && report.contains("1 passed"),
        "{report}{}",
        String::from_utf8_lossy(&run.stderr)
    );
    false
}

fn mount(args: &[&str], path: &Path) {
    let status = Command::new("mount").args(args).arg(path).status();
    assert!(status.unwrap().success(), "mount {args:?}");
}

/// A disk of 64 KiB in place of a directory.
///
/// # Drop
/// Taken away, or the directory below it could not be removed.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf) -> Self {
        mount(&["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"], &path);
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Takes all the room there is.
fn fill(directory: &Path) {
    let mut filler = fs::File::create(directory.join("filler")).unwrap();
    while filler.write_all(&[0; 512]).is_ok() {}
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

/// Served, and not cached for want of `what`.
fn is_uncached(states: &[CertificateState], what: &str) -> bool {
    let error = states[0].last_error.as_deref().unwrap_or_default();
    states[0].not_after_seconds.is_some() && error.starts_with("cache: ") && error.contains(what)
}

#[tokio::test]
async fn a_full_disk_costs_nothing_but_the_cache_and_is_tried_again() {
    if !is_installed()
        || !is_inside("full_disk::a_full_disk_costs_nothing_but_the_cache_and_is_tried_again")
    {
        return;
    }
    let stage = Stage::set(Options::default()).await;
    let root = stage.authority.root().await;
    let mounted = Disk::mount(stage.cache().path().to_owned());
    let disk = &mounted.0;
    fill(disk);

    let relay = stage.relay(&[FIRST]).await;
    relay
        .wait_for(|states| is_uncached(states, "No space left on device"))
        .await;
    let mut connection = relay.connect(FIRST, &root, &TLS13).await.unwrap();
    connection.echo().await;
    assert_eq!(files(disk), ["filler"], "nothing half-written");

    // Another trouble with the same disk is told as what it is.
    mount(&["-o", "remount,ro"], disk);
    relay
        .wait_for(|states| is_uncached(states, "Read-only file system"))
        .await;
    mount(&["-o", "remount,rw"], disk);
    relay
        .wait_for(|states| is_uncached(states, "No space left on device"))
        .await;

    // A restart on the full disk trips over nothing: it asks for another certificate.
    drop(relay);
    let relay = stage.relay(&[FIRST]).await;
    relay
        .wait_for(|states| is_uncached(states, "No space left on device"))
        .await;
    let served = relay.connect(FIRST, &root, &TLS13).await.unwrap();
    assert_ne!(served.leaf(), connection.leaf());

    // With room again it is kept without another order, and the next start asks nobody.
    let asked = stage.gateway.connections();
    fs::remove_file(disk.join("filler")).unwrap();
    relay
        .wait_for(|states| states[0].last_error.is_none())
        .await;
    assert!(files(disk).contains(&FIRST.to_owned()));
    drop(relay);
    let relay = stage.relay(&[FIRST]).await;
    relay.served().await;
    let again = relay.connect(FIRST, &root, &TLS13).await.unwrap();
    assert_eq!(again.leaf(), served.leaf());
    assert_eq!(stage.gateway.connections(), asked);
}

#[tokio::test]
async fn a_disk_that_fills_up_leaves_the_certificate_before_it() {
    if !is_installed()
        || !is_inside("full_disk::a_disk_that_fills_up_leaves_the_certificate_before_it")
    {
        return;
    }
    let options = Options {
        validity_seconds: 6,
        ..Options::default()
    };
    let stage = Stage::set(options).await;
    let mounted = Disk::mount(stage.cache().path().to_owned());
    let disk = &mounted.0;
    let relay = stage.relay(&[FIRST]).await;
    relay
        .wait_for(|states| states[0].not_after_seconds.is_some() && disk.join(FIRST).exists())
        .await;
    let before = relay.states()[0].not_after_seconds;
    fill(disk);
    let cached = fs::read(disk.join(FIRST)).unwrap();
    relay
        .wait_for(|states| {
            states[0].not_after_seconds > before && is_uncached(states, "No space left on device")
        })
        .await;
    assert_eq!(fs::read(disk.join(FIRST)).unwrap(), cached);
    let listed = files(disk);
    assert!(
        listed.iter().all(|name| !name.ends_with(".tmp")),
        "{listed:?}"
    );
}
