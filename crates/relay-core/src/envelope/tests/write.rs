//! What the relay writes to a binary, byte for byte.

use super::super::{FRAME_SUFFIX, check_frame, frame_prefix, notice};
use super::outcome;

fn routed(conn_id: &str, payload: &[u8]) -> Vec<u8> {
    [&frame_prefix(conn_id), payload, FRAME_SUFFIX].concat()
}

#[test]
fn c12_c13_c14_a_routed_frame_carries_the_phones_bytes_verbatim() {
    for payload in [
        r#"{"a": 1 }"#,
        r#"{"h":"<&>\u2028 (raw)","n":1.0e+02,"a":1,"a":2}"#,
        "\"\u{2028}\u{2029}\"",
        r#""\ud800 \/ \u003C""#,
        " \n[1,\t2]\r\n",
        "null",
        "7",
        r#""x""#,
        "[]",
    ] {
        assert!(check_frame(payload.as_bytes()).is_ok(), "{payload}");
        let expected = format!(r#"{{"conn_id":"client-0f","frame":{payload}}}"#);
        assert_eq!(routed("client-0f", payload.as_bytes()), expected.as_bytes());
    }
}

#[test]
fn c26_a_notice_has_exactly_two_keys_in_order() {
    for (close_code, expected) in [
        (1001, r#"{"conn_id":"client-0f","close_code":1001}"#),
        (1005, r#"{"conn_id":"client-0f","close_code":1005}"#),
        (4999, r#"{"conn_id":"client-0f","close_code":4999}"#),
        (u16::MAX, r#"{"conn_id":"client-0f","close_code":65535}"#),
    ] {
        assert_eq!(notice("client-0f", close_code), expected.as_bytes());
    }
}

#[test]
fn what_the_relay_writes_it_can_also_read() {
    assert_eq!(
        outcome(&routed("client-0f", br#" {"a":"}"} "#)),
        r#"client-0f <- {"a":"}"} / -"#
    );
    assert_eq!(outcome(&notice("client-0f", 1001)), "client-0f <- - / 1001");
}

#[test]
#[cfg(debug_assertions)]
fn a_conn_id_that_would_need_an_escape_is_a_bug_of_ours() {
    for conn_id in ["a\"b", "a\\b", "a\nb", "a b", "é"] {
        std::panic::catch_unwind(|| frame_prefix(conn_id)).expect_err(conn_id);
        std::panic::catch_unwind(|| notice(conn_id, 1001)).expect_err(conn_id);
    }
}
