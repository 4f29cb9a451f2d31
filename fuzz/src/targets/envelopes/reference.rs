//! The rules of `docs/PROTOCOL.md`, section 5, over what serde_json reads: slow, and one sentence after the other.

use std::fmt;

use relay_core::envelope::{EnvelopeError, MAX_DEPTH, Malformed};
use serde_json::Value;
use serde_json::value::RawValue;

/// What a message is.
#[derive(Debug)]
pub(super) enum Reading {
    NotUtf8,
    /// Broken somewhere, perhaps behind too many brackets.
    NotJson {
        may_be_too_deep: bool,
    },
    TooDeep,
    NotAnObject,
    Object(Result<Meaning, EnvelopeError>),
}

/// What an envelope says.
#[derive(Debug)]
pub(super) enum Meaning {
    Deliver {
        conn_id: String,
        frame: Option<String>,
        close_code: Option<u16>,
    },
    Wake(String),
}

/// One JSON value in UTF-8 with white space around it, nested up to 10 000 levels.
pub(super) fn is_frame(payload: &[u8]) -> bool {
    is_json(payload) && depth(payload) <= MAX_DEPTH
}

/// serde_json passes over a raw value without recursion, and without a look at numbers and surrogates.
fn is_json(payload: &[u8]) -> bool {
    std::str::from_utf8(payload).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok())
}

/// How many brackets are open at most, those in strings aside.
pub(super) fn depth(text: &[u8]) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    let (mut is_in_string, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_in_string => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            b'[' | b'{' if !is_in_string => {
                open += 1;
                most = most.max(open);
            }
            b']' | b'}' if !is_in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    most
}

pub(super) fn envelope(message: &[u8]) -> Reading {
    let Ok(text) = std::str::from_utf8(message) else {
        return Reading::NotUtf8;
    };
    let is_too_deep = depth(message) > MAX_DEPTH;
    if !is_json(message) {
        return Reading::NotJson {
            may_be_too_deep: is_too_deep,
        };
    }
    if is_too_deep {
        return Reading::TooDeep;
    }
    if text.trim_ascii() == "null" {
        return Reading::Object(meaning(&[]));
    }
    match serde_json::from_str::<Members>(text) {
        Ok(members) => Reading::Object(meaning(&members.0)),
        Err(_) => Reading::NotAnObject,
    }
}

/// Keys and values as they are written, in their order, repeated ones and all.
struct Members(Vec<(Box<RawValue>, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn meaning(members: &[(Box<RawValue>, Box<RawValue>)]) -> Result<Meaning, EnvelopeError> {
    let mut conn_id = String::new();
    let mut close_code = 0;
    let (mut frame, mut push_wake) = (None, None);
    for (key, value) in members {
        let (key, value) = (characters(key.get()), value.get());
        let is_null = value == "null";
        let is = |name| folded(&key) == name;
        if is("frame") {
            frame = (!is_null).then(|| value.to_owned());
        } else if is("push_wake") {
            push_wake = (!is_null).then(|| value.to_owned());
        } else if is("conn_id") && !is_null {
            if !value.starts_with('"') {
                return Err(malformed(Malformed::ConnId));
            }
            conn_id = characters(value);
        } else if is("close_code") && !is_null {
            close_code = integer(value).ok_or(malformed(Malformed::CloseCode))?;
        }
    }
    if conn_id.is_empty() {
        let request = push_wake.ok_or(EnvelopeError::MissingConnId)?;
        return Ok(Meaning::Wake(request));
    }
    if frame.is_none() && close_code == 0 {
        return Err(EnvelopeError::MissingFrame);
    }
    Ok(Meaning::Deliver {
        conn_id,
        frame,
        close_code: (close_code != 0).then_some(close_code),
    })
}

fn malformed(reason: Malformed) -> EnvelopeError {
    EnvelopeError::Malformed { reason }
}

/// An integer literal from 0 to 65 535: a number that serde_json reads, and writes the same way.
fn integer(text: &str) -> Option<u16> {
    let value: Value = serde_json::from_str(text).ok()?;
    let number = u16::try_from(value.as_u64()?).ok()?;
    (number.to_string() == text).then_some(number)
}

/// The text of a string, a lone surrogate as U+FFFD. serde_json writes those as three bytes that are no UTF-8, if it is
/// asked for bytes.
fn characters(literal: &str) -> String {
    struct Bytes;

    impl serde::de::Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(literal);
    let bytes = serde::Deserializer::deserialize_bytes(&mut deserializer, Bytes);
    let bytes = bytes.expect("a string that was read before");
    let mut text = String::new();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(end) => {
                text.push_str(end);
                break;
            }
            Err(error) => {
                let (valid, surrogate) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push('\u{fffd}');
                rest = surrogate.get(3..).unwrap_or_default();
            }
        }
    }
    text
}

/// Without regard to case: two letters outside of ASCII have a lower case within, by Unicode's simple folding.
fn folded(key: &str) -> String {
    key.chars()
        .map(|character| match character {
            'ſ' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
