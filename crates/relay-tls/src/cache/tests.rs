//! The layout: what is read, what is not, what is written.

use std::fs;

use rcgen::KeyPair;

use super::{CertCache, EntryError, Issued, StoredAccount};
use crate::certificate::pem::Sections;
use crate::certificate::testing::{Authority, DAY, GO_EC_KEY_PEM, Pair, now};
use crate::certificate::{Certificate, key};
use crate::testing::Directory;

const NAME: &str = "relay.example.com";

fn cache() -> (Directory, CertCache) {
    let directory = Directory::new();
    let cache = CertCache::open(directory.path().join("certs")).unwrap();
    (directory, cache)
}

fn put(cache: &CertCache, name: &str, text: &str) {
    fs::write(cache.path().join(name), text).unwrap();
}

fn found(cache: &CertCache) -> Result<Option<Certificate>, EntryError> {
    cache.certificate(NAME, now())
}

#[test]
fn o24_a_seeded_certificate_is_served() {
    let (_directory, cache) = cache();
    assert!(found(&cache).unwrap().is_none());
    put(&cache, NAME, &Authority::new().valid(&[NAME]).cache_entry());
    assert!(found(&cache).unwrap().unwrap().covers(NAME));
}

#[test]
fn an_entry_made_by_openssl_is_served() {
    let (_directory, cache) = cache();
    let sec1 = Sections::read(GO_EC_KEY_PEM.as_bytes())
        .unwrap()
        .keys
        .remove(0);
    let pkcs8 = key::to_pkcs8(sec1.secret_der()).unwrap();
    let key = KeyPair::try_from(pkcs8.as_slice()).unwrap();
    let pair = Authority::new().issue_for(key, &[NAME], now() - DAY, now() + DAY);
    put(&cache, NAME, &format!("{GO_EC_KEY_PEM}{}", pair.chain));
    assert!(found(&cache).unwrap().is_some());
}

#[test]
fn an_rsa_entry_is_served_where_there_is_no_other() {
    let (_directory, cache) = cache();
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let rsa = Authority::new().issue_for(key, &[NAME], now() - DAY, now() + DAY);
    let entry = format!("{}{}", rsa.key, rsa.chain);
    put(&cache, &format!("{NAME}+rsa"), &entry);
    assert!(found(&cache).unwrap().is_some());
    put(&cache, NAME, "damaged");
    assert!(found(&cache).unwrap().is_some());
    let other = Authority::new().valid(&[NAME]);
    put(&cache, NAME, &other.cache_entry());
    let certificate = found(&cache).unwrap().unwrap();
    assert_eq!(certificate.key().cert[0].as_ref(), other.leaf_der());
    put(&cache, NAME, &entry);
    fs::remove_file(cache.path().join(format!("{NAME}+rsa"))).unwrap();
    assert!(
        matches!(found(&cache), Err(EntryError::Malformed { .. })),
        "an RSA key under the other name"
    );
}

/// TLS has a use for it, and few clients have.
#[test]
fn a_key_of_a_third_kind_is_under_neither_name() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let pair = Authority::new().issue_for(key, &[NAME], now() - DAY, now() + DAY);
    assert!(pair.certificate(now()).is_ok());
    for name in [NAME.to_owned(), format!("{NAME}+rsa")] {
        let (_directory, cache) = cache();
        put(&cache, &name, &format!("{}{}", pair.key, pair.chain));
        assert!(!matches!(found(&cache), Ok(Some(_))), "{name}");
    }
}

#[test]
fn what_is_not_whole_or_does_not_fit_is_not_used() {
    let ca = Authority::new();
    let pair = ca.valid(&[NAME]);
    let entry = pair.cache_entry();
    let other_key = Pair {
        key: ca.valid(&[NAME]).key,
        chain: pair.chain.clone(),
    };
    let half = entry.len() / 2;
    for (what, text) in [
        ("empty", String::new()),
        ("cut", entry[..half].to_owned()),
        ("cut at the end", entry[..entry.len() - 5].to_owned()),
        ("something behind", format!("{entry}junk\n")),
        ("something before", format!("junk\n{entry}")),
        ("no key", pair.chain.clone()),
        ("no chain", format!("{}\n", pair.key)),
        ("chain first", format!("{}{}", pair.chain, pair.key)),
        ("two keys", format!("{}{entry}", pair.key)),
        ("another key", other_key.cache_entry()),
        ("not base64", entry.replace("MII", "!!!")),
        (
            "another name",
            ca.valid(&["other.example.com"]).cache_entry(),
        ),
        (
            "expired",
            ca.issue(&[NAME], now() - 2 * DAY, now() - DAY)
                .cache_entry(),
        ),
        (
            "too early",
            ca.issue(&[NAME], now() + DAY, now() + 2 * DAY)
                .cache_entry(),
        ),
    ] {
        let (_directory, cache) = cache();
        put(&cache, NAME, &text);
        assert!(found(&cache).is_err(), "{what}");
    }
    let (_directory, cache) = cache();
    fs::create_dir(cache.path().join(NAME)).unwrap();
    assert!(matches!(found(&cache), Err(EntryError::Unreadable { .. })));
}

#[test]
fn what_was_issued_is_kept_as_go_keeps_it() {
    let (_directory, cache) = cache();
    let pair = Authority::new().valid(&[NAME]);
    let issued = Issued::from_pem(&pair.chain, &pair.key).unwrap();
    assert!(issued.certificate(now()).is_ok());
    cache.store(NAME, &issued).unwrap();
    assert!(found(&cache).unwrap().is_some());

    let text = fs::read_to_string(cache.path().join(NAME)).unwrap();
    let normal = |text: &str| text.replace("\r\n", "\n");
    assert_eq!(text, normal(&pair.cache_entry()));
    assert!(
        text.starts_with("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE"),
        "{text}"
    );
    assert_eq!(text.matches("-----BEGIN CERTIFICATE-----\n").count(), 2);
}

#[test]
fn an_account_is_kept() {
    let (_directory, cache) = cache();
    assert!(cache.account().unwrap().is_none());
    let key = KeyPair::generate().unwrap();
    let credentials = serde_json::json!({
        "id": "https://ca.example/acct/1",
        "key_pkcs8": base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, key.serialized_der()),
        "directory": "https://ca.example/dir",
    });
    let account = StoredAccount {
        directory: "https://ca.example/dir".to_owned(),
        email: Some("ops@example.com".to_owned()),
        credentials: serde_json::from_value(credentials).unwrap(),
    };
    cache.store_account(&account).unwrap();
    let kept = cache.account().unwrap().unwrap();
    assert_eq!(kept.directory, account.directory);
    assert_eq!(kept.email, account.email);
    assert_eq!(
        kept.credentials.private_key().secret_pkcs8_der(),
        key.serialized_der()
    );
    assert!(!format!("{kept:?}").contains("key"), "{kept:?}");

    put(
        &cache,
        "acme_account.json",
        r#"{"directory":"","email":null,"credentials":"marker"}"#,
    );
    let error = cache.account().unwrap_err().to_string();
    assert!(
        error.contains("line 1") && !error.contains("marker"),
        "{error}"
    );
}

#[test]
fn an_earlier_relays_account_key_is_found() {
    for name in ["acme_account+key", "acme_account.key"] {
        let (_directory, cache) = cache();
        assert!(cache.legacy_account_key().is_none());
        put(&cache, name, GO_EC_KEY_PEM);
        let pkcs8 = cache.legacy_account_key().unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(pkcs8);
        assert!(instant_acme::Key::from_pkcs8_der(key).is_ok());
        put(&cache, name, "damaged");
        assert!(cache.legacy_account_key().is_none());
    }
}
