//! What is served and what is not.

use rcgen::KeyPair;

use super::pem::Sections;
use super::testing::{Authority, DAY, Pair, now};
use super::{Certificate, CertificateError};

fn pair() -> Pair {
    Authority::new().valid(&["relay.example.com", "*.example.org"])
}

fn check(pair: &Pair, expected: &str) {
    let error = pair.certificate(now()).unwrap_err();
    assert!(
        format!("{error:?}").starts_with(expected),
        "{error:?} is not {expected}"
    );
}

#[test]
fn serves_a_valid_pair() {
    let certificate = pair().certificate(now()).unwrap();
    assert!(certificate.covers("RELAY.example.com"));
    assert!(certificate.covers("any.example.org"));
    assert!(!certificate.covers("example.org"));
    assert_eq!(certificate.key().cert.len(), 2);
}

#[test]
fn refuses_another_certificates_key() {
    let pair = Pair {
        key: KeyPair::generate().unwrap().serialize_pem(),
        ..pair()
    };
    check(&pair, "KeyMismatch");
}

#[test]
fn refuses_days_that_are_over_or_have_not_begun() {
    let ca = Authority::new();
    let names = &["relay.example.com"];
    check(&ca.issue(names, now() - 2 * DAY, now() - DAY), "Expired");
    check(
        &ca.issue(names, now() + DAY, now() + 2 * DAY),
        "NotYetValid",
    );
    let edge = ca.issue(names, now(), now());
    assert!(edge.certificate(now()).is_ok(), "both ends are inclusive");
}

#[test]
fn refuses_a_certificate_without_names() {
    check(&Authority::new().valid(&[]), "NoNames");
}

#[test]
fn refuses_what_is_no_certificate_or_no_key() {
    let pair = pair();
    let key = || Sections::read(pair.key.as_bytes()).unwrap().keys.remove(0);
    let chain = || Sections::read(pair.chain.as_bytes()).unwrap().certificates;
    assert!(matches!(
        Certificate::new(Vec::new(), key(), now()),
        Err(CertificateError::NoCertificate)
    ));
    assert!(matches!(
        Certificate::new(vec![vec![0x30, 0].into()], key(), now()),
        Err(CertificateError::MalformedLeaf)
    ));
    let no_key = rustls::pki_types::PrivatePkcs8KeyDer::from(vec![0x30, 0]);
    assert!(matches!(
        Certificate::new(chain(), no_key.into(), now()),
        Err(CertificateError::UnusableKey { .. })
    ));
}

#[test]
fn debug_shows_no_key() {
    let text = format!("{:?}", pair().certificate(now()).unwrap());
    assert!(
        text.contains("relay.example.com") && !text.contains("CertifiedKey"),
        "{text}"
    );
}
