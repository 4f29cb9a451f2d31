//! PEM files: reading their sections, writing them as Go and OpenSSL do.

use std::error::Error;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};

/// What a file has of certificates and private keys, in its order; anything else in it is passed over.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) keys: Vec<PrivateKeyDer<'static>>,
}

impl Sections {
    /// # Errors
    /// A section that is not whole or not base64.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut sections = Self::default();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, der) = section?;
            if kind == SectionKind::Certificate {
                sections.certificates.push(der.into());
            } else if kind == SectionKind::EcPrivateKey {
                sections.keys.push(PrivateSec1KeyDer::from(der).into());
            } else if kind == SectionKind::PrivateKey {
                sections.keys.push(PrivatePkcs8KeyDer::from(der).into());
            } else if kind == SectionKind::RsaPrivateKey {
                sections.keys.push(PrivatePkcs1KeyDer::from(der).into());
            }
        }
        Ok(sections)
    }
}

/// RFC 7468 §2.
const LINE_CHARACTERS: usize = 64;

/// Appends one section.
pub(crate) fn write(out: &mut String, label: &str, der: &[u8]) {
    let text = BASE64_STANDARD.encode(der);
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_CHARACTERS));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        for len in [0, 1, 47, 48, 49, 96, 500] {
            let der: Vec<u8> = (0..len).map(|n| (n % 251) as u8).collect();
            let mut text = String::new();
            write(&mut text, "CERTIFICATE", &der);
            write(&mut text, "EC PARAMETERS", &[1]);
            write(&mut text, "EC PRIVATE KEY", &der);
            assert!(text.lines().all(|line| line.len() <= LINE_CHARACTERS));
            let sections = Sections::read(text.as_bytes()).unwrap();
            assert_eq!(sections.certificates[0].as_ref(), der, "{len}");
            assert_eq!(sections.keys[0].secret_der(), der, "{len}");
        }
    }

    #[test]
    fn a_torn_section_is_an_error() {
        let mut text = String::new();
        write(&mut text, "CERTIFICATE", &[1; 100]);
        assert!(Sections::read(&text.as_bytes()[..text.len() - 30]).is_err());
        assert!(Sections::read(text.replace("AQ", "!!").as_bytes()).is_err());
        assert!(Sections::read(b"no PEM").unwrap().certificates.is_empty());
    }
}
