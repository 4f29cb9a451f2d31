//! The signed statement that an access token is given for: a JWT (RFC 7519) with RS256, as RFC 7523 wants it.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::credentials::Credentials;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// A clock that is a little fast must not make statements from the future.
const BACKDATED_BY: u64 = 10;
/// The longest Google takes.
const LIFETIME: u64 = 60 * 60;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// The assertion for a request at `since_epoch`; `None` if it cannot be signed.
pub(super) fn sign(credentials: &Credentials, since_epoch: Duration) -> Option<Zeroizing<String>> {
    let iat = since_epoch.as_secs().saturating_sub(BACKDATED_BY);
    let header = Header {
        alg: "RS256",
        typ: "JWT",
        kid: credentials.private_key_id(),
    };
    let claims = Claims {
        iss: credentials.client_email(),
        scope: SCOPE,
        aud: credentials.audience(),
        iat,
        exp: iat + LIFETIME,
    };
    let mut jwt = Zeroizing::new(String::new());
    BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&header).ok()?, &mut jwt);
    jwt.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims).ok()?, &mut jwt);
    let signature = credentials.sign(jwt.as_bytes())?;
    jwt.push('.');
    BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Some(jwt)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
    use aws_lc_rs::signature::{KeyPair as _, UnparsedPublicKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{self, key_file};

    fn decoded(part: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    #[test]
    fn o53_the_assertion_says_who_asks_whom_for_what_until_when() {
        let credentials: Credentials = key_file().to_string().parse().unwrap();
        let jwt = sign(&credentials, Duration::from_secs(1_800_000_000)).unwrap();
        let parts: Vec<&str> = jwt.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            panic!("not three parts: {}", parts.len());
        };
        let json = |part| -> Value { serde_json::from_slice(&decoded(part)).unwrap() };
        assert_eq!(
            json(header),
            json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
        );
        assert_eq!(
            json(claims),
            json!({
                "iss": "relay@example.iam.gserviceaccount.com",
                "scope": "https://www.googleapis.com/auth/firebase.messaging",
                "aud": "https://oauth2.googleapis.com/token",
                "iat": 1_799_999_990,
                "exp": 1_800_003_590,
            })
        );
        let public = testing::rsa_key().public_key().as_ref();
        let signed = &jwt[..header.len() + 1 + claims.len()];
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(signed.as_bytes(), &decoded(signature))
            .unwrap();
    }

    #[test]
    fn o53_without_a_key_id_there_is_no_kid() {
        let mut file = key_file();
        file["private_key_id"] = json!("");
        let credentials: Credentials = file.to_string().parse().unwrap();
        let jwt = sign(&credentials, Duration::ZERO).unwrap();
        let header = decoded(jwt.split('.').next().unwrap());
        assert_eq!(header, br#"{"alg":"RS256","typ":"JWT"}"#);
    }
}
