//! The service-account key: what is read out of it, and the RSA key it brings.
//!
//! It must not know what is signed with the key, nor where the text came from.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use http::Uri;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::endpoint::absolute;

const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// The project of the published app: that of keys without a `project_id`, which no key made by Google is.
const DEFAULT_PROJECT: &str = "pyrycode-mobile";

/// A Google service-account key, checked: whatever is in here can be used.
///
/// Read from the JSON text with [`str::parse`]. The key material is wiped when this is dropped; of the text, the
/// caller has the only other copy.
pub struct Credentials {
    client_email: String,
    private_key_id: Option<String>,
    private_key: KeyPair,
    token_uri: TokenUri,
    project_id: String,
}

/// Why a text is no [`Credentials`]: one error for every reason, because each detail would be made of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("relay: fcm credentials: expected a Google service-account JSON key (value withheld)")]
#[non_exhaustive]
pub struct CredentialsError;

/// Where access tokens are fetched; the text is kept as it stands in the key, because it is signed as the audience.
struct TokenUri {
    text: String,
    uri: Uri,
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
}

impl FromStr for Credentials {
    type Err = CredentialsError;

    /// Reads `type` (`service_account`), `client_email` and `private_key` (PEM of an RSA key, PKCS#8 or PKCS#1, of
    /// 2048 to 8192 bits), and if present `private_key_id`, `token_uri` and `project_id`. Anything else is ignored.
    fn from_str(text: &str) -> Result<Self, CredentialsError> {
        let file: KeyFile = serde_json::from_str(text).map_err(|_| CredentialsError)?;
        if file.kind != "service_account" || file.client_email.is_empty() {
            return Err(CredentialsError);
        }
        let given = |value: Option<String>| value.filter(|text| !text.is_empty());
        let project_id = given(file.project_id).unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
        if !is_project_id(&project_id) {
            return Err(CredentialsError);
        }
        let token_uri = given(file.token_uri).unwrap_or_else(|| GOOGLE_TOKEN_URI.to_owned());
        Ok(Self {
            client_email: file.client_email,
            private_key_id: given(file.private_key_id),
            private_key: rsa_key(file.private_key.as_bytes()).ok_or(CredentialsError)?,
            token_uri: TokenUri {
                uri: absolute(&token_uri).ok_or(CredentialsError)?,
                text: token_uri,
            },
            project_id,
        })
    }
}

impl Credentials {
    /// Who asks for access: an identity, and not for logs.
    pub(crate) fn client_email(&self) -> &str {
        &self.client_email
    }

    pub(crate) fn private_key_id(&self) -> Option<&str> {
        self.private_key_id.as_deref()
    }

    pub(crate) fn token_uri(&self) -> &Uri {
        &self.token_uri.uri
    }

    /// The token URI, byte for byte as in the key.
    pub(crate) fn audience(&self) -> &str {
        &self.token_uri.text
    }

    pub(crate) fn project_id(&self) -> &str {
        &self.project_id
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256, which JOSE calls RS256; `None` if the system gives no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.private_key.public_modulus_len()];
        self.private_key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .ok()?;
        Some(signature)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// The label of a PEM section is not trusted: tools have put PKCS#8 under `RSA PRIVATE KEY` and the reverse.
fn rsa_key(pem: &[u8]) -> Option<KeyPair> {
    let der = Zeroizing::new(PrivateKeyDer::from_pem_slice(pem).ok()?);
    let der = der.secret_der();
    KeyPair::from_pkcs8(der)
        .or_else(|_| KeyPair::from_der(der))
        .ok()
}

/// Letters, digits and hyphens, behind a domain and a colon in old ones: what may stand in a URL's path as it is.
fn is_project_id(text: &str) -> bool {
    text.len() <= 128
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':'))
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
