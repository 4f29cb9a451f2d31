//! The certificate cache. The input is what is in its files: an entry as it stands, or, behind a zero byte, the DER of
//! a key and of certificates, each behind its length in two bytes, which are put into PEM first.
//!
//! Whatever is in the files, a certificate is taken only if it is whole: somebody else has to find that it names the
//! domain and belongs to the key. A refusal names the file and shows nothing that is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use relay_tls::CertCache;
use relay_tls::internals::{Served, accounts, served};
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm};
use webpki::{EndEntityCert, aws_lc_rs};

const DOMAIN: &str = "relay.example.com";
const MESSAGE: &[u8] = b"what a handshake signs";

/// Within the days of the corpus' certificates.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_830_000_000)
}

pub(crate) fn cert_cache(input: &[u8]) {
    let directory = Directory::new();
    let cache = CertCache::open(directory.path()).expect("a directory of ours");
    let text = match input {
        [0, parts @ ..] => entry(parts).into_bytes(),
        text => text.to_vec(),
    };
    for name in [DOMAIN.to_owned(), format!("{DOMAIN}+rsa")] {
        let path = directory.path().join(&name);
        fs::write(&path, &text).expect("a writable directory");
        match served(&cache, DOMAIN, now(), MESSAGE) {
            Ok(Some(served)) => assert_whole(&served),
            // An earlier relay's, which is no loss.
            Ok(None) => assert!(name.ends_with("+rsa"), "there is a file"),
            Err(error) => assert_refusal(&error, directory.path(), &text),
        }
        fs::remove_file(path).expect("a file of ours");
    }
    for name in ["acme_account.json", "acme_account+key", "acme_account.key"] {
        fs::write(directory.path().join(name), &text).expect("a writable directory");
    }
    let (account, _) = accounts(&cache);
    match account {
        Ok(is_there) => assert!(is_there, "there is a file"),
        Err(error) => assert!(!quotes(&error, &text), "{error}"),
    }
}

/// The signature is the first certificate's, which names the domain, by webpki's reading of it.
fn assert_whole(served: &Served) {
    let der = CertificateDer::from(served.leaf.as_slice());
    let leaf = EndEntityCert::try_from(&der).expect("a certificate");
    let domain = ServerName::try_from(DOMAIN).expect("a domain");
    let names = leaf.verify_is_valid_for_subject_name(&domain);
    assert!(names.is_ok(), "for another domain: {names:?}");
    let algorithms: &[&dyn SignatureVerificationAlgorithm] = match served.scheme {
        0x0403 => &[aws_lc_rs::ECDSA_P256_SHA256],
        0x0503 => &[aws_lc_rs::ECDSA_P384_SHA384],
        0x0603 => &[aws_lc_rs::ECDSA_P521_SHA512],
        0x0401 => &[aws_lc_rs::RSA_PKCS1_2048_8192_SHA256],
        scheme => panic!("signed by {scheme:#06x}"),
    };
    let is_signed = algorithms.iter().any(|algorithm| {
        leaf.verify_signature(*algorithm, MESSAGE, &served.signature)
            .is_ok()
    });
    assert!(is_signed, "by the key of another certificate");
}

fn assert_refusal(error: &str, directory: &Path, text: &[u8]) {
    let path = directory.join(DOMAIN);
    let path = path.to_str().expect("a path of ours");
    assert!(error.contains(path), "no file is named: {error}");
    assert!(!quotes(&error.replace(path, ""), text), "{error}");
    assert!(error.len() < path.len() + 300, "{error}");
}

/// Whether a text has a run of base64 in it, as keys are made of, that is also in the file.
fn quotes(text: &str, file: &[u8]) -> bool {
    const RUN: usize = 24;
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    file.windows(RUN)
        .filter(|run| run.iter().all(is_base64))
        .any(|run| text.as_bytes().windows(RUN).any(|shown| shown == run))
}

/// Parts of DER as a cache entry: a key, then certificates.
fn entry(mut parts: &[u8]) -> String {
    let mut text = String::new();
    while let Some((len, rest)) = parts.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        let (der, rest) = rest.split_at(len);
        let label = if text.is_empty() {
            "EC PRIVATE KEY"
        } else {
            "CERTIFICATE"
        };
        text += &format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            base64(der)
        );
        parts = rest;
    }
    text
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::prelude::{BASE64_STANDARD, Engine as _};
    BASE64_STANDARD.encode(bytes)
}

/// A directory that is gone with its owner.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("relay-fuzz-{}-{number}", std::process::id());
        // In memory, where that is a directory: a target that waits for a disk gets to see little.
        let memory = PathBuf::from("/dev/shm");
        let room = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let path = room.join(name);
        // A process of the same number, killed, may have left its own.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("room for a directory");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left then is a stranger's file in a directory for such.
        let _ = fs::remove_dir_all(&self.0);
    }
}
