//! What is a key and what is not; and that nobody learns from a refusal why.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::*;
use crate::testing::{key_file, pem, rsa_der};

const MARKER: &str = "MARKER";

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut file = key_file();
    change(&mut file);
    file.to_string()
}

#[test]
fn reads_a_key_as_google_writes_it() {
    let key: Credentials = key_file().to_string().parse().unwrap();
    assert_eq!(key.client_email(), "relay@example.iam.gserviceaccount.com");
    assert_eq!(key.private_key_id(), Some("key-1"));
    assert_eq!(key.audience(), "https://oauth2.googleapis.com/token");
    assert_eq!(key.project_id(), "example-project");
    assert_eq!(format!("{key:?}"), "Credentials(..)");
}

#[test]
fn what_is_optional_has_a_default_also_when_empty_or_null() {
    let optional = ["project_id", "private_key_id", "token_uri"];
    let defaults = |change: fn(&mut Value, &str)| {
        let text = changed(|file| {
            for name in optional {
                change(file, name);
            }
        });
        let key: Credentials = text.parse().unwrap();
        assert_eq!(key.project_id(), "pyrycode-mobile");
        assert_eq!(key.private_key_id(), None);
        assert_eq!(key.audience(), "https://oauth2.googleapis.com/token");
    };
    defaults(|file, name| file[name] = json!(null));
    defaults(|file, name| file[name] = json!(""));
    defaults(|file, name| {
        file.as_object_mut().unwrap().remove(name);
    });
}

#[test]
fn takes_rsa_in_pkcs8_and_pkcs1_under_any_label() {
    let pkcs8 = rsa_der();
    // RFC 5208: the PKCS#1 key is the octet string that PKCS#8 ends with; for RSA-2048 after 26 bytes.
    let pkcs1 = &pkcs8[26..];
    for key in [
        pem("PRIVATE KEY", &pkcs8),
        pem("RSA PRIVATE KEY", &pkcs8),
        pem("RSA PRIVATE KEY", pkcs1),
        pem("PRIVATE KEY", pkcs1),
        format!("text before\n{}text behind\n", pem("PRIVATE KEY", &pkcs8)),
    ] {
        let text = changed(|file| file["private_key"] = json!(key));
        assert!(text.parse::<Credentials>().is_ok());
    }
}

#[test]
fn takes_a_token_uri_anywhere_and_keeps_its_spelling() {
    for uri in [
        "http://127.0.0.1:9/token",
        "https://TOKEN.example",
        "https://a/b?c=d",
    ] {
        let text = changed(|file| file["token_uri"] = json!(uri));
        assert_eq!(text.parse::<Credentials>().unwrap().audience(), uri);
    }
}

#[test]
fn o14_every_refusal_is_the_same_and_shows_nothing() {
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let ec = ec.to_pkcs8v1().unwrap();
    let private_key = |key: Value| changed(|file| file["private_key"] = key);
    let refused = [
        String::new(),
        MARKER.to_owned(),
        "{}".to_owned(),
        "[]".to_owned(),
        format!("{{\"{MARKER}\""),
        changed(|file| file["type"] = json!(MARKER)),
        changed(|file| file["type"] = json!(null)),
        changed(|file| file["client_email"] = json!("")),
        changed(|file| file["client_email"] = json!(7)),
        private_key(json!(null)),
        private_key(json!("")),
        private_key(json!(MARKER)),
        private_key(json!(pem("PRIVATE KEY", ec.as_ref()))),
        private_key(json!(pem("EC PRIVATE KEY", ec.as_ref()))),
        private_key(json!(pem("PRIVATE KEY", MARKER.as_bytes()))),
        private_key(json!(pem("PUBLIC KEY", &rsa_der()))),
        private_key(json!("-----BEGIN PRIVATE KEY-----\nMARKER!\n")),
        changed(|file| file["token_uri"] = json!(MARKER)),
        changed(|file| file["token_uri"] = json!(format!("file:///{MARKER}"))),
        changed(|file| file["project_id"] = json!(format!("../{MARKER}"))),
        changed(|file| file["project_id"] = json!("..")),
        changed(|file| file["project_id"] = json!("a".repeat(129))),
    ];
    for (at, text) in refused.iter().enumerate() {
        let error = text.parse::<Credentials>().expect_err(&at.to_string());
        assert_eq!(error, CredentialsError);
        assert_eq!(
            error.to_string(),
            "relay: fcm credentials: expected a Google service-account JSON key (value withheld)"
        );
        assert!(!format!("{error:?}").contains(MARKER));
    }
}
