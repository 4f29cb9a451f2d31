//! The envelope codec. The input is a message: as a binary sends it, and as a phone does.
//!
//! Both readings have to agree with a slow one that leaves all of JSON to serde_json; what is written has to say what
//! it was made of, to serde_json and to ourselves; and no text tells anything of a message.

mod reference;

use relay_core::WakeRequest;
use relay_core::envelope::{
    self, Envelope, EnvelopeError, FRAME_SUFFIX, Malformed, check_frame, frame_prefix, notice,
};
use serde_json::Value;
use serde_json::value::RawValue;

use reference::{Meaning, Reading};

pub(crate) fn envelopes(message: &[u8]) {
    parse(message);
    wrap(message);
    notices(message);
}

/// A binary's message.
fn parse(message: &[u8]) {
    let parsed = envelope::parse(message);
    match (reference::envelope(message), &parsed) {
        (Reading::NotUtf8, parsed) => assert_eq!(*parsed, malformed(Malformed::NotUtf8)),
        // Which of the two comes first, a scanner knows and a reading of the whole does not.
        (Reading::NotJson { may_be_too_deep }, parsed) => assert!(
            *parsed == malformed(Malformed::NotJson)
                || may_be_too_deep && *parsed == malformed(Malformed::TooDeep),
            "{parsed:?}"
        ),
        (Reading::TooDeep, parsed) => assert_eq!(*parsed, malformed(Malformed::TooDeep)),
        (Reading::NotAnObject, parsed) => assert_eq!(*parsed, malformed(Malformed::NotAnObject)),
        (Reading::Object(Err(error)), parsed) => assert_eq!(*parsed, Err(error)),
        (Reading::Object(Ok(Meaning::Wake(expected))), Ok(Envelope::Wake(seen))) => {
            assert_eq!(*seen, expected.as_bytes());
            wake(seen);
        }
        (
            Reading::Object(Ok(Meaning::Deliver {
                conn_id: expected_id,
                frame: expected_frame,
                close_code: expected_code,
            })),
            Ok(Envelope::Deliver {
                conn_id,
                frame,
                close_code,
            }),
        ) => {
            assert_eq!(*conn_id, expected_id);
            assert_eq!(*frame, expected_frame.as_deref().map(str::as_bytes));
            assert_eq!(*close_code, expected_code);
        }
        (expected, seen) => panic!("{seen:?} instead of {expected:?}"),
    }
    if let Err(error) = parsed {
        assert!(error.to_string().len() < 100, "a text as long as a message");
    }
}

fn malformed(reason: Malformed) -> Result<Envelope<'static>, EnvelopeError> {
    Err(EnvelopeError::Malformed { reason })
}

/// What a waker makes of it. A token is shown by nothing.
fn wake(raw: &[u8]) {
    match WakeRequest::parse(raw) {
        Ok(request) => {
            let shown = format!("{request:?}");
            assert_eq!(shown, "WakeRequest { platform: Fcm, token: WakeToken(..) }");
            let value = serde_json::from_slice::<Value>(raw);
            // A lone surrogate, a huge number or a deep nest is JSON and no `Value`.
            if let Ok(Value::Object(members)) = value {
                let is_token = |value: &Value| value == request.token.expose();
                assert!(members.values().any(is_token), "a token out of nowhere");
            }
        }
        Err(error) => assert!(error.to_string().starts_with("relay: "), "{error}"),
    }
}

/// A phone's message, and what its binary reads.
fn wrap(payload: &[u8]) {
    let checked = check_frame(payload);
    let is_frame = reference::is_frame(payload);
    assert_eq!(checked.is_ok(), is_frame, "whether it is one JSON value");
    if !is_frame {
        return;
    }
    const CONN_ID: &str = "client-4f1d0c8be2a7936650b1c2d3e4f5a697";
    let wrapped = [&*frame_prefix(CONN_ID), payload, FRAME_SUFFIX].concat();
    assert_eq!(wrapped.len(), payload.len() + 62, "what an envelope adds");
    let trimmed = payload.trim_ascii();
    match envelope::parse(&wrapped) {
        Ok(Envelope::Deliver {
            conn_id,
            frame,
            close_code,
        }) => {
            assert_eq!(conn_id, CONN_ID);
            assert_eq!(frame, Some(trimmed), "byte for byte");
            assert_eq!(close_code, None);
        }
        Err(EnvelopeError::MissingFrame) => assert_eq!(trimmed, b"null"),
        // The envelope is one of the levels.
        Err(EnvelopeError::Malformed {
            reason: Malformed::TooDeep,
        }) => assert_eq!(reference::depth(payload), envelope::MAX_DEPTH),
        other => panic!("{other:?}"),
    }
    if let Ok(value) = serde_json::from_slice::<Value>(payload) {
        let wrapped: Value = serde_json::from_slice(&wrapped).unwrap_or_default();
        // One level more may be one too many for serde_json.
        assert!(wrapped["frame"] == value || wrapped.is_null());
    }
}

/// The first two bytes as a code.
fn notices(message: &[u8]) {
    let Some(&[high, low]) = message.first_chunk() else {
        return;
    };
    let code = u16::from_be_bytes([high, low]);
    let notice = notice("client-0f", code);
    let members: Box<RawValue> = serde_json::from_slice(&notice).expect("JSON");
    let expected = format!(r#"{{"conn_id":"client-0f","close_code":{code}}}"#);
    assert_eq!(members.get(), expected);
    let expected = match code {
        0 => Err(EnvelopeError::MissingFrame),
        code => Ok(Envelope::Deliver {
            conn_id: "client-0f".into(),
            frame: None,
            close_code: Some(code),
        }),
    };
    assert_eq!(envelope::parse(&notice), expected);
}
