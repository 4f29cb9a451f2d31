//! Answers of FCM and of its token endpoint. The input is an answer: a line with the status, a line with `Retry-After`,
//! and the body.
//!
//! Every answer has to end a wake or put it off within its lifetime, by the rules of the status alone; and of what the
//! other side says, a text holds nothing but codes that stand where codes stand.

use std::time::{Duration, Instant, SystemTime};

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use relay_core::WakeToken;
use relay_push::Outcome;
use relay_push::internals::{Answer, Fate, answered_by_fcm, answered_by_token_endpoint};
use serde_json::Value;

use crate::clock;

/// No attempt begins later than that after a wake was asked for.
const LIFETIME: Duration = Duration::from_secs(60);
/// What FCM calls a type of detail.
const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

pub(crate) fn push_replies(input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let status = lines.next().map(StatusCode::from_bytes);
    let Some(Ok(status)) = status else {
        return;
    };
    let retry_after = lines.next().unwrap_or_default();
    let body = lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(retry_after) {
        headers.append(RETRY_AFTER, value);
        // Whatever else there is, is not looked at.
        headers.append(HeaderName::from_static("x"), HeaderValue::from_static("1"));
    }
    for body in [Some(body), None] {
        let answer = Answer {
            status,
            headers: &headers,
            body,
            // Not a moment of the machine's: an answer means the same each time. In 2026.
            calendar: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_339_320),
        };
        let now = clock::now();
        fcm(&answer, now);
        token_endpoint(&answer, now);
    }
}

fn device() -> WakeToken {
    WakeToken::new("device:token")
}

fn fcm(answer: &Answer<'_>, now: Instant) {
    let (fate, shown) = answered_by_fcm(answer, &device(), now);
    let codes = codes(answer.body.unwrap_or_default());
    match &fate {
        Fate::Ended(Outcome::Sent, text) => {
            assert!(answer.status.is_success());
            assert_eq!(text, "sent");
            assert_id(&shown, answer);
        }
        Fate::Ended(outcome, text) => {
            assert!(!answer.status.is_success());
            let is_dead = text.ends_with(", UNREGISTERED)") || text.ends_with(" (UNREGISTERED)");
            assert_eq!(*outcome == Outcome::Unregistered, is_dead, "{text}");
            assert!(is_dead || *outcome == Outcome::SendFailed, "{outcome:?}");
            let start = format!("relay: fcm send failed: status {}", answer.status.as_u16());
            let rest = text.strip_prefix(&start).expect("a text of its own");
            assert_codes(rest, codes.as_deref());
            let asked = asked_for(answer.headers);
            let is_late = asked.is_none_or(|asked| asked >= LIFETIME);
            assert!(is_dead || !is_passing(answer.status) || is_late, "{text}");
        }
        Fate::PutOff(put_off) => assert_put_off(*put_off, answer),
    }
}

fn token_endpoint(answer: &Answer<'_>, now: Instant) {
    match answered_by_token_endpoint(answer, &device(), now) {
        Ok(authorization) => {
            assert!(answer.status.is_success());
            assert!(authorization.is_sensitive());
            assert_eq!(format!("{authorization:?}"), "Sensitive");
            let token = authorization.as_bytes().strip_prefix(b"Bearer ");
            assert!(token.is_some_and(|token| !token.is_empty()));
        }
        Err((Fate::Ended(outcome, text), shown)) => {
            assert_eq!(outcome, Outcome::TokenFetchFailed);
            let expected = if answer.status.is_success() {
                String::new()
            } else {
                format!(": status {}", answer.status.as_u16())
            };
            assert_eq!(
                text,
                format!("relay: fcm access-token fetch failed{expected}")
            );
            assert!(shown.is_ascii() && shown.len() < 200, "{shown}");
        }
        Err((Fate::PutOff(put_off), _)) => assert_put_off(put_off, answer),
    }
}

fn assert_put_off(put_off: Duration, answer: &Answer<'_>) {
    assert!(is_passing(answer.status), "{} will not pass", answer.status);
    assert!(put_off < LIFETIME, "{put_off:?}");
    let asked = asked_for(answer.headers).unwrap_or_default();
    assert!(
        put_off >= asked,
        "asked for {asked:?}, comes after {put_off:?}"
    );
}

/// 408, 429 and whatever is the server's fault.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500..=599)
}

/// A number of seconds that the header asks for; dates are somebody else's to read.
fn asked_for(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = is_number.then(|| text.parse().unwrap_or(u64::MAX))?;
    Some(Duration::from_secs(seconds))
}

/// An id is a name in the body, made of harmless characters.
fn assert_id(id: &str, answer: &Answer<'_>) {
    if id.is_empty() {
        return;
    }
    assert!(id.len() <= 256, "{} bytes of an id", id.len());
    let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"/:%_-".contains(&byte);
    assert!(id.bytes().all(is_harmless), "{id}");
    if let Some(value) = value(answer.body.unwrap_or_default()) {
        assert_eq!(value["name"], id);
    }
}

/// What follows a status: nothing, or codes in brackets, each from its place in the body.
fn assert_codes(text: &str, in_body: Option<&[String]>) {
    let shown: Vec<&str> = match text {
        "" => Vec::new(),
        text => {
            let inside = text
                .strip_prefix(" (")
                .and_then(|text| text.strip_suffix(')'));
            inside.expect("codes are in brackets").split(", ").collect()
        }
    };
    assert!(shown.len() <= 2, "{text}");
    for code in &shown {
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        assert!((1..=64).contains(&code.len()), "{text}");
        assert!(code.bytes().all(is_code), "{text}");
        if let Some(in_body) = in_body {
            assert!(in_body.iter().any(|there| there == code), "{text}");
        }
    }
}

/// The texts at the places of codes; `None` if serde_json does not make a value of the body.
fn codes(body: &[u8]) -> Option<Vec<String>> {
    let value = value(body)?;
    let error = &value["error"];
    let details = error["details"].as_array().into_iter().flatten();
    let details = details
        .filter(|detail| detail["@type"] == FCM_ERROR)
        .map(|detail| &detail["errorCode"]);
    let codes = details.chain([&error["status"]]).filter_map(Value::as_str);
    Some(codes.map(str::to_owned).collect())
}

fn value(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}
