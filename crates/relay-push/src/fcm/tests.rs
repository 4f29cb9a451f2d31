//! The body of a wake, and what is let in of FCM's answers.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use super::reply::reason;
use super::*;
use crate::error::{CallError, FetchError, Reason};
use crate::stats::Outcome;

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

fn refused(status: u16, body: &str) -> SendError {
    SendError::Refused {
        status: StatusCode::from_u16(status).unwrap(),
        reason: reason(body.as_bytes()),
        retry_after: None,
    }
}

fn error_body(status: &Value, kind: &str, code: &Value) -> String {
    let detail = json!({"@type": kind, "errorCode": code});
    let other = json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "errorCode": 7});
    json!({"error": {
        "code": 404,
        "message": "MARKER",
        "status": status,
        "details": [other, 5, detail],
    }})
    .to_string()
}

#[track_caller]
fn check_text(expected: &str, outcome: Outcome, error: &SendError) {
    assert_eq!(error.to_string(), format!("relay: fcm {expected}"));
    assert_eq!(error.outcome(), outcome, "{error}");
}

#[test]
fn o53_the_body_holds_the_token_and_the_priority_and_nothing_else() {
    let text = |token: &str| String::from_utf8(body(&WakeToken::new(token))).unwrap();
    assert_eq!(
        text("T:1"),
        r#"{"message":{"token":"T:1","android":{"priority":"HIGH"}}}"#
    );
    assert_eq!(
        text("\"\n\\"),
        r#"{"message":{"token":"\"\n\\","android":{"priority":"HIGH"}}}"#
    );
}

#[test]
fn o54_texts_hold_the_status_and_the_codes() {
    let not_found = error_body(&json!("NOT_FOUND"), FCM_ERROR, &json!("UNREGISTERED"));
    let internal = r#"{"error":{"status":"INTERNAL"}}"#;
    for (status, body, expected, outcome) in [
        (
            404,
            &*not_found,
            "send failed: status 404 (NOT_FOUND, UNREGISTERED)",
            Outcome::Unregistered,
        ),
        (
            400,
            &*error_body(&json!("INVALID_ARGUMENT"), FCM_ERROR, &json!(null)),
            "send failed: status 400 (INVALID_ARGUMENT)",
            Outcome::SendFailed,
        ),
        (
            404,
            r#"{"error":{"status":"NOT_FOUND"}}"#,
            "send failed: status 404 (NOT_FOUND)",
            Outcome::SendFailed,
        ),
        (
            404,
            "<html>",
            "send failed: status 404",
            Outcome::SendFailed,
        ),
        (
            500,
            internal,
            "send failed: status 500 (INTERNAL)",
            Outcome::SendFailed,
        ),
        (500, "", "send failed: status 500", Outcome::SendFailed),
        (307, "", "send failed: status 307", Outcome::SendFailed),
    ] {
        check_text(expected, outcome, &refused(status, body));
    }
}

#[test]
fn o57_what_is_no_code_is_left_out() {
    let text = |status: Value, kind, code: Value| {
        let error = refused(404, &error_body(&status, kind, &code));
        (error.to_string(), error.outcome())
    };
    let status_only = |codes: &str| {
        (
            format!("relay: fcm send failed: status 404{codes}"),
            Outcome::SendFailed,
        )
    };
    let not_found = || json!("NOT_FOUND");
    let unregistered = || json!("UNREGISTERED");
    assert_eq!(
        text(not_found(), "type.example/FcmError", unregistered()),
        status_only(" (NOT_FOUND)")
    );
    assert_eq!(
        text(not_found(), FCM_ERROR, json!("unregistered")),
        status_only(" (NOT_FOUND)")
    );
    for code in ["", "UNREGISTERED ", "A-B", "A\nB", &"A".repeat(65)] {
        assert_eq!(
            text(json!("not_found"), FCM_ERROR, json!(code)),
            status_only(""),
            "{code}"
        );
    }
    assert_eq!(
        text(json!("A".repeat(65)), FCM_ERROR, unregistered()),
        (
            "relay: fcm send failed: status 404 (UNREGISTERED)".to_owned(),
            Outcome::Unregistered
        )
    );
    assert_eq!(
        text(json!("A".repeat(64)), FCM_ERROR, json!("B".repeat(64))),
        status_only(&format!(" ({}, {})", "A".repeat(64), "B".repeat(64)))
    );
    assert_eq!(
        text(json!({"MARKER": 1}), FCM_ERROR, unregistered()).0,
        "relay: fcm send failed: status 404 (UNREGISTERED)"
    );
}

#[test]
fn o55_only_a_harmless_id_is_an_id() {
    let id = |name: &str| {
        let body = json!({ "name": name }).to_string();
        MessageId::read(body.as_bytes()).map(|id| id.to_string())
    };
    let usual = "projects/example-project/messages/0:1700000000%31bd1c96f9fd7ecd";
    assert_eq!(id(usual).as_deref(), Some(usual));
    assert!(id(&"a".repeat(256)).is_some());
    for name in ["", "a b", "a\nb", "a\"b", "a=b", "ä", &"a".repeat(257)] {
        assert_eq!(id(name), None, "{name}");
    }
    for body in ["", "{}", "[]", r#"{"name":7}"#, r#"{"name":null}"#] {
        assert_eq!(MessageId::read(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn failures_without_an_answer_have_fixed_texts() {
    for (error, expected, outcome) in [
        (
            SendError::TokenFetch(FetchError::Refused {
                status: StatusCode::UNAUTHORIZED,
                retry_after: None,
            }),
            "access-token fetch failed: status 401",
            Outcome::TokenFetchFailed,
        ),
        (
            SendError::TokenFetch(FetchError::Call(CallError::TimedOut)),
            "access-token fetch failed",
            Outcome::TokenFetchFailed,
        ),
        (
            SendError::TokenFetch(FetchError::Unusable),
            "access-token fetch failed",
            Outcome::TokenFetchFailed,
        ),
        (
            SendError::Call(CallError::TimedOut),
            "send failed: timed out",
            Outcome::SendFailed,
        ),
        (
            SendError::Call(CallError::Connect(Some(io::ErrorKind::ConnectionRefused))),
            "send failed: could not connect: connection refused",
            Outcome::SendFailed,
        ),
        (
            SendError::Call(CallError::Connect(None)),
            "send failed: could not connect",
            Outcome::SendFailed,
        ),
        (
            SendError::Call(CallError::Certificate),
            "send failed: certificate not trusted",
            Outcome::SendFailed,
        ),
        (
            SendError::Call(CallError::Broken),
            "send failed: connection broken",
            Outcome::SendFailed,
        ),
        (
            SendError::Stopping,
            "send failed: the relay is stopping",
            Outcome::SendFailed,
        ),
        (
            SendError::Aborted,
            "send failed: aborted",
            Outcome::SendFailed,
        ),
    ] {
        check_text(expected, outcome, &error);
    }
}

#[test]
fn what_may_pass_is_tried_again_and_nothing_else() {
    let status = |code: u16| refused(code, "");
    for passing in [
        status(429),
        status(500),
        status(503),
        status(408),
        SendError::Call(CallError::TimedOut),
        SendError::Call(CallError::Connect(None)),
        SendError::Call(CallError::Broken),
        SendError::TokenFetch(FetchError::Call(CallError::TimedOut)),
        SendError::TokenFetch(FetchError::Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: None,
        }),
    ] {
        assert!(passing.is_passing(), "{passing}");
    }
    let unregistered = error_body(&json!("INTERNAL"), FCM_ERROR, &json!("UNREGISTERED"));
    for lasting in [
        status(307),
        status(400),
        status(401),
        status(403),
        status(404),
        refused(500, &unregistered),
        SendError::Call(CallError::Certificate),
        SendError::TokenFetch(FetchError::Unusable),
        SendError::TokenFetch(FetchError::Refused {
            status: StatusCode::BAD_REQUEST,
            retry_after: None,
        }),
        SendError::Stopping,
        SendError::Aborted,
    ] {
        assert!(!lasting.is_passing(), "{lasting}");
    }
}

#[test]
fn retry_after_is_passed_on() {
    let error = SendError::Refused {
        status: StatusCode::TOO_MANY_REQUESTS,
        reason: Reason::default(),
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(SendError::Stopping.retry_after(), None);
}
