//! A service-account key for tests, made anew in every run: no private key is in the repository.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

pub(crate) fn rsa_key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// PKCS#8 of [`rsa_key`].
pub(crate) fn rsa_der() -> Vec<u8> {
    let der: Pkcs8V1Der<'_> = rsa_key().as_der().unwrap();
    der.as_ref().to_vec()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// A key as Google's console writes it.
pub(crate) fn key_file() -> Value {
    json!({
        "type": "service_account",
        "project_id": "example-project",
        "private_key_id": "key-1",
        "private_key": pem("PRIVATE KEY", &rsa_der()),
        "client_email": "relay@example.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    })
}
