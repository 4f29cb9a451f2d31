//! A door to what is not public, for fuzz targets. Behind a feature; no promise is made of it.

use std::time::SystemTime;

use rustls::SignatureScheme;

use crate::cache::CertCache;
use crate::error_text::with_causes;

/// What a cached certificate shows of itself: enough for somebody else to find out whether it can be served.
#[derive(Debug)]
pub struct Served {
    /// The first certificate, as DER.
    pub leaf: Vec<u8>,
    /// How the key signed.
    pub scheme: u16,
    /// The key's signature over what was asked for.
    pub signature: Vec<u8>,
}

/// Takes the certificate of `domain` out of the cache and signs `message` with its key; `None` when there is none.
///
/// # Errors
/// There is one that is not used: the text that is logged, its causes behind it.
///
/// # Panics
/// When the key of a certificate that was let in cannot sign.
pub fn served(
    cache: &CertCache,
    domain: &str,
    now: SystemTime,
    message: &[u8],
) -> Result<Option<Served>, String> {
    let found = cache
        .certificate(domain, now)
        .map_err(|error| with_causes(&error))?;
    Ok(found.map(|certificate| {
        let key = certificate.key();
        let signer = SCHEMES
            .iter()
            .find_map(|scheme| key.key.choose_scheme(&[*scheme]))
            .expect("a key of a kind that TLS uses");
        Served {
            leaf: key
                .cert
                .first()
                .map(|leaf| leaf.to_vec())
                .unwrap_or_default(),
            scheme: signer.scheme().into(),
            signature: signer.sign(message).expect("a usable key"),
        }
    }))
}

/// Whether the cache has an ACME account, and whether it has an earlier relay's key.
///
/// # Errors
/// There is an account that cannot be read: the text that is logged.
pub fn accounts(cache: &CertCache) -> (Result<bool, String>, bool) {
    let account = cache.account();
    (
        account
            .map(|found| found.is_some())
            .map_err(|error| with_causes(&error)),
        cache.legacy_account_key().is_some(),
    )
}

const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
];
