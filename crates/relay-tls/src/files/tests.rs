//! Loading, watching and replacing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{CertificateError, CertificateFiles, FilesError};
use crate::certificate::testing::{Authority, DAY, Pair, now};
use crate::testing::Directory;

struct Fixture {
    ca: Authority,
    directory: Directory,
}

impl Fixture {
    fn new() -> Self {
        Self {
            ca: Authority::new(),
            directory: Directory::new(),
        }
    }

    fn chain(&self) -> PathBuf {
        self.directory.path().join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// Puts new files in place, as a deployment does.
    fn write(&self, pair: &Pair) {
        replace(&self.chain(), &pair.chain);
        replace(&self.key(), &pair.key);
    }

    fn open(&self) -> Result<CertificateFiles, FilesError> {
        CertificateFiles::open(self.chain(), self.key(), now())
    }
}

fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, path).unwrap();
}

fn not_after(files: &CertificateFiles) -> u64 {
    files.certificates().states()[0].not_after_seconds.unwrap()
}

fn last_error(files: &CertificateFiles) -> String {
    files.certificates().states()[0]
        .last_error
        .clone()
        .unwrap_or_default()
}

const NAMES: &[&str] = &["relay.example.com"];

#[test]
fn loads_two_files_or_one() {
    let fixture = Fixture::new();
    let pair = fixture.ca.valid(NAMES);
    fixture.write(&pair);
    let files = fixture.open().unwrap();
    let expected = now() + 89 * DAY;
    assert_eq!(
        not_after(&files),
        expected.duration_since(UNIX_EPOCH).unwrap().as_secs()
    );
    assert_eq!(files.certificates().states()[0].domain, "relay.example.com");
    assert!(files.certificates().match_host("relay.example.com:443"));

    replace(&fixture.chain(), &format!("{}{}", pair.key, pair.chain));
    assert!(CertificateFiles::open(fixture.chain(), fixture.chain(), now()).is_ok());
}

#[test]
fn names_the_file_at_fault() {
    let fixture = Fixture::new();
    assert!(matches!(
        fixture.open(),
        Err(FilesError::Unreadable { path, .. }) if path == fixture.chain()
    ));
    let pair = fixture.ca.valid(NAMES);
    fixture.write(&Pair {
        key: pair.chain.clone(),
        ..pair.clone()
    });
    assert!(matches!(
        fixture.open(),
        Err(FilesError::Unusable { path, source: CertificateError::NoKey }) if path == fixture.key()
    ));
    fixture.write(&Pair {
        chain: pair.key.clone(),
        ..pair.clone()
    });
    assert!(matches!(
        fixture.open(),
        Err(FilesError::Unusable { path, source: CertificateError::NoCertificate }) if path == fixture.chain()
    ));
    fixture.write(&Pair {
        chain: pair.chain.replace("-----END", "----END"),
        ..pair
    });
    assert!(matches!(
        fixture.open(),
        Err(FilesError::Unusable {
            source: CertificateError::Pem { .. },
            ..
        })
    ));
}

#[test]
fn a_change_is_loaded_at_the_next_poll_and_only_once() {
    let fixture = Fixture::new();
    fixture.write(&fixture.ca.valid(NAMES));
    let mut files = fixture.open().unwrap();
    assert!(files.poll(now()).is_none());

    let before = not_after(&files);
    fixture.write(&fixture.ca.issue(NAMES, now() - DAY, now() + 10 * DAY));
    assert!(matches!(files.poll(now()), Some(Ok(()))));
    assert_ne!(not_after(&files), before);
    assert!(files.poll(now()).is_none());
}

#[test]
fn a_bad_change_keeps_the_old_and_is_told_once() {
    let fixture = Fixture::new();
    fixture.write(&fixture.ca.valid(NAMES));
    let mut files = fixture.open().unwrap();
    let before = not_after(&files);

    fixture.write(&fixture.ca.issue(NAMES, now() - 2 * DAY, now() - DAY));
    assert!(matches!(
        files.poll(now()),
        Some(Err(FilesError::Unusable {
            source: CertificateError::Expired { .. },
            ..
        }))
    ));
    assert!(files.poll(now()).is_none());
    assert_eq!(not_after(&files), before);
    assert!(
        last_error(&files).contains("expired"),
        "{}",
        last_error(&files)
    );
    assert!(files.reload(now()).is_err(), "a signal asks again");

    fixture.write(&fixture.ca.valid(NAMES));
    assert!(matches!(files.poll(now()), Some(Ok(()))));
    assert_eq!(last_error(&files), "");
}

#[test]
fn files_replaced_one_after_the_other_fit_at_the_second_poll() {
    let fixture = Fixture::new();
    fixture.write(&fixture.ca.valid(NAMES));
    let mut files = fixture.open().unwrap();
    let next = fixture.ca.valid(&["next.example.com"]);

    replace(&fixture.chain(), &next.chain);
    assert!(matches!(
        files.poll(now()),
        Some(Err(FilesError::Unusable {
            source: CertificateError::KeyMismatch,
            ..
        }))
    ));
    assert!(files.certificates().match_host("relay.example.com"));
    replace(&fixture.key(), &next.key);
    assert!(matches!(files.poll(now()), Some(Ok(()))));
    assert!(files.certificates().match_host("next.example.com"));
    assert!(!files.certificates().match_host("relay.example.com"));
}

#[test]
fn a_certificate_that_came_too_early_is_loaded_when_its_time_comes() {
    let fixture = Fixture::new();
    fixture.write(&fixture.ca.valid(NAMES));
    let mut files = fixture.open().unwrap();
    fixture.write(&fixture.ca.issue(NAMES, now() + DAY, now() + 91 * DAY));
    assert!(matches!(files.poll(now()), Some(Err(_))));
    assert!(files.poll(now()).is_none());
    assert!(matches!(files.poll(now() + DAY), Some(Ok(()))));
    assert!(files.poll(now() + DAY).is_none());
}

#[test]
fn files_that_vanish_are_told_once() {
    let fixture = Fixture::new();
    fixture.write(&fixture.ca.valid(NAMES));
    let mut files = fixture.open().unwrap();
    fs::remove_file(fixture.key()).unwrap();
    assert!(matches!(
        files.poll(now()),
        Some(Err(FilesError::Unreadable { .. }))
    ));
    assert!(files.poll(now()).is_none());
    assert!(files.certificates().match_host("relay.example.com"));
}
