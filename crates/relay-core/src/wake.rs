//! A binary's wake request: reading the `push_wake` value, the token it holds, and who takes it from there.
//!
//! It must not know how a push is sent, how often one may be, or who asked.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::envelope::literal;
use crate::id::ServerId;

/// Takes wake requests off a binary's hands.
pub trait WakeSink: Send + Sync {
    /// Takes the raw value of one `push_wake`, as [`Envelope::Wake`](crate::envelope::Envelope::Wake) has it.
    ///
    /// Called between two frames of the binary: it must return at once, wait for nobody and touch no socket.
    ///
    /// # Errors
    /// [`WakeRefused`], to be logged; the binary is told nothing.
    fn wake(&self, server_id: &ServerId, raw: &[u8]) -> Result<(), WakeRefused>;
}

impl fmt::Debug for dyn WakeSink + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeSink")
    }
}

/// The sink of a relay without push credentials: it refuses everything, unread, with [`WakeRefused::Off`].
#[derive(Clone, Copy, Default, Debug)]
pub struct PushOff;

impl WakeSink for PushOff {
    fn wake(&self, _: &ServerId, _: &[u8]) -> Result<(), WakeRefused> {
        Err(WakeRefused::Off)
    }
}

/// Why a wake request comes to nothing. The texts hold no byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WakeRefused {
    /// The relay has no push credentials, or is stopping.
    #[error("relay: push is off")]
    Off,
    /// Not an object, a field of the wrong type, or a token longer than [`WakeToken::MAX_BYTES`]; the binary's fault.
    #[error("relay: malformed push_wake")]
    Malformed,
    /// A platform other than exactly `fcm`, or none; the binary's fault.
    #[error("relay: push_wake platform not supported")]
    Platform,
    /// No token, or an empty one; the binary's fault.
    #[error("relay: push_wake token is empty")]
    EmptyToken,
    /// The platform said lately that this token is dead.
    #[error("relay: push_wake token is unregistered")]
    Unregistered,
    /// This server-id has asked for more than can be sent in useful time.
    #[error("relay: push_wake rate-limited for server-id")]
    RateLimited,
    /// All server-ids together have asked for more than may wait.
    #[error("relay: push_wake queue is full")]
    QueueFull,
}

/// A push platform that can be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WakePlatform {
    /// Firebase Cloud Messaging, `fcm` on the wire.
    Fcm,
}

/// A device's push token: a secret, shown by nothing but [`expose`](Self::expose).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WakeToken(Box<str>);

impl WakeToken {
    /// Largest token. FCM bounds whole messages to 4096 bytes; its tokens have a few hundred.
    pub const MAX_BYTES: usize = 4096;

    /// Takes a token from elsewhere than a binary's message.
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The token itself, for the one request that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WakeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WakeToken(..)")
    }
}

/// A well-formed wake request.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WakeRequest {
    /// Through whom to wake.
    pub platform: WakePlatform,
    /// Whom to wake.
    pub token: WakeToken,
}

impl WakeRequest {
    /// Reads the value of a `push_wake`.
    ///
    /// The reading is that of [`envelope::parse`](crate::envelope::parse()): unknown keys are ignored, known ones match
    /// in any case, the last of repeated ones counts though all must have the right type, and a `null` leaves an
    /// earlier value standing. Nothing is trimmed.
    ///
    /// # Errors
    /// [`WakeRefused::Malformed`], else [`WakeRefused::Platform`], else [`WakeRefused::EmptyToken`].
    pub fn parse(raw: &[u8]) -> Result<Self, WakeRefused> {
        let raw = std::str::from_utf8(raw).map_err(|_| WakeRefused::Malformed)?;
        let fields: Fields<'_> = serde_json::from_str(raw).map_err(|_| WakeRefused::Malformed)?;
        if fields.has_fault {
            return Err(WakeRefused::Malformed);
        }
        let token = text(fields.token);
        if token.len() > WakeToken::MAX_BYTES {
            return Err(WakeRefused::Malformed);
        }
        if text(fields.platform) != "fcm" {
            return Err(WakeRefused::Platform);
        }
        if token.is_empty() {
            return Err(WakeRefused::EmptyToken);
        }
        Ok(Self {
            platform: WakePlatform::Fcm,
            token: WakeToken::new(token),
        })
    }
}

fn text(literal: Option<&str>) -> Cow<'_, str> {
    literal.map(literal::text).unwrap_or_default()
}

/// The source text of each field; `has_fault` once one was of the wrong type.
#[derive(Default)]
struct Fields<'a> {
    platform: Option<&'a str>,
    token: Option<&'a str>,
    has_fault: bool,
}

impl<'a> Fields<'a> {
    fn set(&mut self, key: &str, value: &'a str) {
        let field = if literal::spells(key, "platform") {
            &mut self.platform
        } else if literal::spells(key, "token") {
            &mut self.token
        } else {
            return;
        };
        if value.starts_with('"') {
            *field = Some(value);
        } else if value != "null" {
            self.has_fault = true;
        }
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a wake request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            fields.set(key.get(), value.get());
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(raw: &[u8]) -> Result<String, WakeRefused> {
        WakeRequest::parse(raw).map(|request| request.token.expose().to_owned())
    }

    #[track_caller]
    fn check(expected: Result<&str, WakeRefused>, raws: &[&str]) {
        for raw in raws {
            let expected = expected.map(str::to_owned);
            assert_eq!(outcome(raw.as_bytes()), expected, "{raw}");
        }
    }

    #[test]
    fn reads_a_token_as_go_would() {
        check(
            Ok("T"),
            &[
                r#"{"platform":"fcm","token":"T"}"#,
                r#" { "TOKEN" : "T" , "Platform" : "fcm" , "zzz" : {"a":[1]} } "#,
                r#"{"platform":"apns","platform":"fcm","token":"U","token":"T"}"#,
                r#"{"platform":"fcm","platform":null,"token":"T","token":null}"#,
                r#"{"platform":"\u0066cm","to\u212aen":"\u0054"}"#,
            ],
        );
        check(Ok(" T "), &[r#"{"platform":"fcm","token":" T "}"#]);
        check(Ok("\u{FFFD}"), &[r#"{"platform":"fcm","token":"\ud800"}"#]);
    }

    #[test]
    fn o60_what_is_not_a_request_is_malformed() {
        check(
            Err(WakeRefused::Malformed),
            &[
                "5",
                "null",
                r#""fcm""#,
                "[]",
                "",
                "{",
                r#"{"platform":"fcm","token":7}"#,
                r#"{"platform":7,"token":"T"}"#,
                r#"{"platform":"fcm","token":7,"token":"T"}"#,
                r#"{"platform":"apns","token":{}}"#,
                r#"{"platform":"fcm","token":"T"} x"#,
            ],
        );
        assert_eq!(outcome(b"{\"\xff\":1}"), Err(WakeRefused::Malformed));
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check(Err(WakeRefused::Malformed), &[&deep]);
    }

    #[test]
    fn o60_only_fcm_is_a_platform() {
        check(
            Err(WakeRefused::Platform),
            &[
                "{}",
                r#"{"token":"T"}"#,
                r#"{"platform":null,"token":"T"}"#,
                r#"{"platform":"apns","token":""}"#,
                r#"{"platform":"FCM","token":"T"}"#,
                r#"{"platform":"fcm ","token":"T"}"#,
            ],
        );
    }

    #[test]
    fn o60_a_token_has_to_be_there() {
        check(
            Err(WakeRefused::EmptyToken),
            &[
                r#"{"platform":"fcm"}"#,
                r#"{"platform":"fcm","token":""}"#,
                r#"{"platform":"fcm","token":null}"#,
            ],
        );
    }

    #[test]
    fn tokens_have_a_largest_size() {
        let raw = |bytes: usize| format!(r#"{{"platform":"fcm","token":"{}"}}"#, "t".repeat(bytes));
        let largest = "t".repeat(WakeToken::MAX_BYTES);
        check(Ok(&largest), &[&raw(WakeToken::MAX_BYTES)]);
        check(
            Err(WakeRefused::Malformed),
            &[&raw(WakeToken::MAX_BYTES + 1)],
        );
    }

    #[test]
    fn c47_a_relay_without_push_refuses_unread() {
        let id = ServerId::new(b"s".as_slice());
        let refused = PushOff.wake(&id, b"not even JSON").unwrap_err();
        assert_eq!(refused.to_string(), "relay: push is off");
    }

    #[test]
    fn a_request_shows_no_token() {
        let request = WakeRequest::parse(br#"{"platform":"fcm","token":"MARKER"}"#).unwrap();
        assert!(!format!("{request:?}").contains("MARKER"));
    }
}
