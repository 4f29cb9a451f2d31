//! What is let in of a reply from FCM: an id and two codes, each of a few characters known to be harmless.
//!
//! Everything else, the free text of an error above all, may repeat the device's token.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Reason;

/// FCM's name for a message it took: 1 to 256 of the characters such names are made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MessageId(Box<str>);

const MAX_ID_BYTES: usize = 256;
const MAX_CODE_BYTES: usize = 64;
const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

#[derive(Deserialize)]
struct Accepted {
    name: String,
}

#[derive(Deserialize)]
struct Refused<'a> {
    #[serde(borrow)]
    error: Failure<'a>,
}

#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    details: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "@type")]
    kind: String,
    #[serde(rename = "errorCode")]
    code: String,
}

impl MessageId {
    /// The id in the body of a success, if it has one that can be shown.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let Accepted { name } = serde_json::from_slice(body).ok()?;
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b':' | b'%' | b'_' | b'-')
        };
        let is_valid = (1..=MAX_ID_BYTES).contains(&name.len()) && name.bytes().all(allowed);
        is_valid.then(|| Self(name.into()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The codes in the body of a refusal; those that are not there, or not codes, are left out.
pub(super) fn reason(body: &[u8]) -> Reason {
    let Ok(Refused { error }) = serde_json::from_slice(body) else {
        return Reason::default();
    };
    let status = error
        .status
        .and_then(|raw| serde_json::from_str(raw.get()).ok());
    let codes = error.details.iter().filter_map(|raw| {
        let detail: Detail = serde_json::from_str(raw.get()).ok()?;
        code((detail.kind == FCM_ERROR).then_some(detail.code)?)
    });
    Reason {
        status: status.and_then(code),
        code: codes.into_iter().next(),
    }
}

fn code(text: String) -> Option<Box<str>> {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_valid = (1..=MAX_CODE_BYTES).contains(&text.len()) && text.bytes().all(allowed);
    is_valid.then(|| text.into())
}
