//! What we want to know of a leaf certificate: its names, its days, and the name ACME has for it.

use std::time::{Duration, SystemTime};

use super::der::{Reader, tag};
use super::time;

/// The facts of one certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Leaf {
    pub(crate) validity: Validity,
    /// DNS names of the subject alternative name, in lower case, wildcards included.
    pub(crate) names: Vec<String>,
    pub(crate) renewal_id: Option<RenewalId>,
}

/// From when until when, both inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Validity {
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

/// What names a certificate in a question about its renewal (RFC 9773 §4.1), both parts as the DER content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RenewalId {
    pub(crate) authority_key: Vec<u8>,
    pub(crate) serial: Vec<u8>,
}

impl Validity {
    pub(crate) fn lifetime(&self) -> Duration {
        self.not_after
            .duration_since(self.not_before)
            .unwrap_or_default()
    }
}

/// `id-ce-subjectAltName`, 2.5.29.17, and `id-ce-authorityKeyIdentifier`, 2.5.29.35.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];

impl Leaf {
    /// Reads a certificate (RFC 5280 §4.1); `None` when it is not one.
    pub(crate) fn read(certificate: &[u8]) -> Option<Self> {
        let mut tbs = Reader::new(certificate)
            .inside(tag::SEQUENCE)?
            .inside(tag::SEQUENCE)?;
        tbs.optional(tag::CONTEXT_0); // version
        let serial = tbs.take(tag::INTEGER)?;
        tbs.take(tag::SEQUENCE)?; // signature
        tbs.take(tag::SEQUENCE)?; // issuer
        let mut validity = tbs.inside(tag::SEQUENCE)?;
        let validity = Validity {
            not_before: time::read(&mut validity)?,
            not_after: time::read(&mut validity)?,
        };
        tbs.take(tag::SEQUENCE)?; // subject
        tbs.take(tag::SEQUENCE)?; // subjectPublicKeyInfo

        let mut names = Vec::new();
        let mut authority_key = None;
        while !tbs.is_empty() {
            let (found, content) = tbs.any()?;
            if found != tag::CONTEXT_3 {
                continue; // the unique identifiers of old
            }
            let mut extensions = Reader::new(content).inside(tag::SEQUENCE)?;
            while !extensions.is_empty() {
                let mut extension = extensions.inside(tag::SEQUENCE)?;
                let id = extension.take(tag::OID)?;
                extension.optional(tag::BOOLEAN); // critical
                let value = extension.take(tag::OCTET_STRING)?;
                if id == SUBJECT_ALT_NAME {
                    names = dns_names(value)?;
                } else if id == AUTHORITY_KEY_IDENTIFIER {
                    let mut value = Reader::new(value).inside(tag::SEQUENCE)?;
                    authority_key = value.optional(tag::KEY_IDENTIFIER);
                }
            }
        }
        Some(Self {
            validity,
            names,
            renewal_id: authority_key.map(|authority_key| RenewalId {
                authority_key: authority_key.to_vec(),
                serial: serial.to_vec(),
            }),
        })
    }
}

fn dns_names(value: &[u8]) -> Option<Vec<String>> {
    let mut general_names = Reader::new(value).inside(tag::SEQUENCE)?;
    let mut names = Vec::new();
    while !general_names.is_empty() {
        let (found, content) = general_names.any()?;
        if found == tag::DNS_NAME {
            names.push(std::str::from_utf8(content).ok()?.to_ascii_lowercase());
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn reads_names_days_and_renewal_id() {
        let ca = testing::Authority::new();
        let now = testing::now();
        let day = Duration::from_secs(86_400);
        let pair = ca.issue(
            &["Relay.example.com", "*.example.org"],
            now - day,
            now + 90 * day,
        );
        let leaf = Leaf::read(&pair.leaf_der()).unwrap();
        assert_eq!(leaf.names, ["relay.example.com", "*.example.org"]);
        assert_eq!(leaf.validity.not_before, now - day);
        assert_eq!(leaf.validity.lifetime(), 91 * day);
        let id = leaf.renewal_id.unwrap();
        assert!(!id.authority_key.is_empty() && !id.serial.is_empty());
    }

    #[test]
    fn a_damaged_certificate_is_no_panic() {
        let der = testing::Authority::new()
            .valid(&["relay.example.com"])
            .leaf_der();
        for len in 0..der.len() {
            let _ = Leaf::read(&der[..len]);
        }
        for at in 0..der.len() {
            for bits in [0x01, 0x80, 0xff] {
                let mut damaged = der.clone();
                damaged[at] ^= bits;
                let _ = Leaf::read(&damaged);
            }
        }
    }
}
