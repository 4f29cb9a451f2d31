//! What a binary may say, and what the relay makes of everything else.

use std::borrow::Cow;

use super::super::{Envelope, EnvelopeError, Malformed, parse, parse_str};
use super::outcome;

const MISSING_CONN_ID: &str = "relay: routing envelope missing conn_id";
const MISSING_FRAME: &str = "relay: routing envelope missing frame";
const NOT_JSON: &str = "relay: malformed routing envelope: not valid JSON";
const NOT_AN_OBJECT: &str = "relay: malformed routing envelope: not an object";
const NOT_UTF8: &str = "relay: malformed routing envelope: not UTF-8";
const BAD_CONN_ID: &str = "relay: malformed routing envelope: conn_id is not a string";
const BAD_CLOSE_CODE: &str =
    "relay: malformed routing envelope: close_code is not an integer from 0 to 65535";

fn check<const N: usize>(table: [(&str, &str); N]) {
    for (message, expected) in table {
        assert_eq!(outcome(message.as_bytes()), expected, "{message:?}");
        assert_eq!(parse_str(message), parse(message.as_bytes()), "{message:?}");
    }
}

#[test]
fn c17_a_frame_is_its_exact_source_bytes() {
    check([
        (
            r#"{"conn_id":"P","frame": { "x" : "<" } ,"zzz":1}"#,
            r#"P <- { "x" : "<" } / -"#,
        ),
        (
            "\t{\r\n\"conn_id\" : \"P\" , \"frame\" :\n[ 1,\t2 ]\r} ",
            "P <- [ 1,\t2 ] / -",
        ),
        (r#"{"frame":1.0e+02,"conn_id":"P"}"#, "P <- 1.0e+02 / -"),
        (
            r#"{"conn_id":"P","frame":{"a":1,"a":2}}"#,
            r#"P <- {"a":1,"a":2} / -"#,
        ),
        (
            r#"{"conn_id":"P","frame":"\ud800 \/ \u003C"}"#,
            r#"P <- "\ud800 \/ \u003C" / -"#,
        ),
        (r#"{"conn_id":"P","frame":"null"}"#, r#"P <- "null" / -"#),
        (r#"{"conn_id":"P","frame":false}"#, "P <- false / -"),
        (r#"{"conn_id":"P","frame":0}"#, "P <- 0 / -"),
        (r#"{"conn_id":"P","frame":""}"#, r#"P <- "" / -"#),
        (
            r#"{"conn_id":"P","frame":{"conn_id":"Q","close_code":1}}"#,
            r#"P <- {"conn_id":"Q","close_code":1} / -"#,
        ),
        (
            "{\"conn_id\":\"P\",\"frame\":\"é\u{2028}\"}",
            "P <- \"é\u{2028}\" / -",
        ),
    ]);
}

#[test]
fn a_frame_and_a_plain_conn_id_are_borrowed_from_the_message() {
    let message = r#"{"conn_id":"P","frame":[1]}"#;
    let Ok(Envelope::Deliver {
        conn_id: Cow::Borrowed(conn_id),
        frame: Some(frame),
        ..
    }) = parse_str(message)
    else {
        panic!("copied");
    };
    let within = message.as_bytes().as_ptr_range();
    assert!(within.contains(&conn_id.as_ptr()) && within.contains(&frame.as_ptr()));
}

#[test]
fn c20_each_useless_message_has_one_class() {
    check([
        ("not-json", NOT_JSON),
        ("[]", NOT_AN_OBJECT),
        ("null", MISSING_CONN_ID),
        (r#"{"frame":{}}"#, MISSING_CONN_ID),
        (r#"{"conn_id":"x"}"#, MISSING_FRAME),
        (r#"{"conn_id":"P","frame":null}"#, MISSING_FRAME),
        (r#"{"conn_id":"P","close_code":70000}"#, BAD_CLOSE_CODE),
        (r#"{"conn_id":"P","close_code":"1"}"#, BAD_CLOSE_CODE),
    ]);
}

#[test]
fn only_one_object_or_null_is_an_envelope() {
    check([
        ("", NOT_JSON),
        (" \n", NOT_JSON),
        ("\u{FEFF}{\"conn_id\":\"P\",\"frame\":1}", NOT_JSON),
        (r#"{"conn_id":"P","frame":1}x"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":1} {}"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":1}}"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":1,}"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":1"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":}"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":01}"#, NOT_JSON),
        (r#"{"conn_id":"P" "frame":1}"#, NOT_JSON),
        (r#"{conn_id:"P","frame":1}"#, NOT_JSON),
        ("{\"conn_id\":\"P\",\"frame\":1,\"a\nb\":1}", NOT_JSON),
        ("{\"conn_id\":\"P\n\",\"frame\":1}", NOT_JSON),
        (r#"{"conn_id":"\x","frame":1}"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":1,"\u00":1}"#, NOT_JSON),
        ("nullx", NOT_JSON),
        ("null null", NOT_JSON),
        ("nul", NOT_JSON),
        ("[1,", NOT_JSON),
        ("[] x", NOT_JSON),
        (" null\n", MISSING_CONN_ID),
        ("{}", MISSING_CONN_ID),
        ("true", NOT_AN_OBJECT),
        ("1e999", NOT_AN_OBJECT),
        (r#""\ud800""#, NOT_AN_OBJECT),
        (r#"[{"conn_id":"P","frame":1}]"#, NOT_AN_OBJECT),
    ]);
}

#[test]
fn a_message_must_be_utf8_everywhere() {
    for message in [
        &b"\xFF"[..],
        b"{\"conn_id\":\"P\xFF\",\"frame\":1}",
        b"{\"conn_id\":\"P\",\"frame\":\"\xFF\"}",
        b"{\"conn_id\":\"P\",\"frame\":1,\"\xFF\":1}",
        b"{\"conn_id\":\"P\",\"frame\":1,\"zzz\":\"\xED\xA0\x80\"}",
    ] {
        assert_eq!(outcome(message), NOT_UTF8);
    }
}

#[test]
fn c17_unknown_keys_are_ignored_whatever_they_are() {
    check([
        (
            r#"{"":0,"conn_id":"P","zzz":{"frame":2},"frame":1}"#,
            "P <- 1 / -",
        ),
        (
            r#"{"\ud800":"\udfff","conn_id":"P","\udc00frame":2,"frame":1}"#,
            "P <- 1 / -",
        ),
        (
            r#"{"conn_id":"P","frame":1,"frame ":2,"_frame":3,"fram":4,"frames":5}"#,
            "P <- 1 / -",
        ),
        (
            r#"{"conn_id":"P","frame":1,"conn-id":2,"connId":3,"close code":"x"}"#,
            "P <- 1 / -",
        ),
        (
            "{\"conn_id\":\"P\",\"frame\":1,\"\u{FF46}rame\":2,\"fr\u{E4}me\":3,\"framé\":4}",
            "P <- 1 / -",
        ),
        (
            r#"{"conn_id":"P","frame":1,"\"frame\"":2,"frame\\":3,"\u0000frame":4}"#,
            "P <- 1 / -",
        ),
    ]);
}

#[test]
fn case_21_keys_match_in_any_case_and_the_last_duplicate_wins() {
    check([(r#"{"CONN_ID":"P","frame":1,"frame":2}"#, "P <- 2 / -")]);
}

#[test]
fn keys_match_as_go_matches_them() {
    check([
        (r#"{"Conn_Id":"P","FRAME":1}"#, "P <- 1 / -"),
        (r#"{"\u0063onn_id":"P","\u0046rame":1}"#, "P <- 1 / -"),
        (
            r#"{"conn\u005Fid":"P","\u0066\u0072\u0061\u006d\u0065":1}"#,
            "P <- 1 / -",
        ),
        (
            "{\"conn_id\":\"P\",\"clo\u{17F}e_code\":4401}",
            "P <- - / 4401",
        ),
        (r#"{"conn_id":"P","CLO\u017FE_CODE":4401}"#, "P <- - / 4401"),
        ("{\"pu\u{17F}h_wa\u{212A}e\":{}}", "wake {}"),
        (r#"{"PUSH_WA\u212ae":{}}"#, "wake {}"),
        ("{\"conn_\u{131}d\":\"P\",\"frame\":1}", MISSING_CONN_ID),
        ("{\"CONN_\u{130}D\":\"P\",\"frame\":1}", MISSING_CONN_ID),
    ]);
}

#[test]
fn of_duplicates_the_last_counts_and_every_type_is_checked() {
    check([
        (
            r#"{"conn_id":"A","frame":1,"conn_id":"P","CONN_ID":"Q"}"#,
            "Q <- 1 / -",
        ),
        (r#"{"conn_id":"P","conn_id":"","frame":1}"#, MISSING_CONN_ID),
        (r#"{"conn_id":1,"conn_id":"P","frame":1}"#, BAD_CONN_ID),
        (
            r#"{"conn_id":"P","close_code":1,"close_code":4401}"#,
            "P <- - / 4401",
        ),
        (
            r#"{"conn_id":"P","close_code":4401,"close_code":0}"#,
            MISSING_FRAME,
        ),
        (
            r#"{"conn_id":"P","close_code":"1","Close_Code":4401}"#,
            BAD_CLOSE_CODE,
        ),
        (r#"{"push_wake":1,"push_wake":{"a":2}}"#, r#"wake {"a":2}"#),
    ]);
}

#[test]
fn a_null_duplicate_takes_back_raw_values_and_leaves_typed_ones() {
    check([
        (r#"{"conn_id":"P","frame":1,"frame":null}"#, MISSING_FRAME),
        (r#"{"conn_id":"P","frame":null,"frame":1}"#, "P <- 1 / -"),
        (r#"{"push_wake":1,"push_wake":null}"#, MISSING_CONN_ID),
        (r#"{"conn_id":"P","conn_id":null,"frame":1}"#, "P <- 1 / -"),
        (
            r#"{"conn_id":"P","close_code":4401,"close_code":null}"#,
            "P <- - / 4401",
        ),
    ]);
}

#[test]
fn a_conn_id_is_any_string_but_the_empty_one() {
    check([
        (r#"{"conn_id":null,"frame":1}"#, MISSING_CONN_ID),
        (r#"{"conn_id":"","frame":1}"#, MISSING_CONN_ID),
        (r#"{"conn_id":"","close_code":1001}"#, MISSING_CONN_ID),
        (r#"{"conn_id":" ","frame":1}"#, "  <- 1 / -"),
        (r#"{"conn_id":"null","frame":1}"#, "null <- 1 / -"),
        (
            "{\"conn_id\":\"é\u{1F600}\",\"frame\":1}",
            "é\u{1F600} <- 1 / -",
        ),
        (r#"{"conn_id":1,"frame":1}"#, BAD_CONN_ID),
        (r#"{"conn_id":true,"frame":1}"#, BAD_CONN_ID),
        (r#"{"conn_id":["P"],"frame":1}"#, BAD_CONN_ID),
        (r#"{"conn_id":{},"frame":1}"#, BAD_CONN_ID),
    ]);
}

#[test]
fn escapes_in_a_conn_id_are_undone() {
    check([
        (r#"{"conn_id":"\u0050","frame":1}"#, "P <- 1 / -"),
        (
            r#"{"conn_id":"\"\\\/\b\f\n\r\t","frame":1}"#,
            "\"\\/\u{8}\u{C}\n\r\t <- 1 / -",
        ),
        (
            r#"{"conn_id":"a\u00e9\u00E9\u2028b","frame":1}"#,
            "aéé\u{2028}b <- 1 / -",
        ),
        (r#"{"conn_id":"\\u0050","frame":1}"#, "\\u0050 <- 1 / -"),
        (r#"{"conn_id":"\"P\"","frame":1}"#, "\"P\" <- 1 / -"),
        (
            r#"{"conn_id":"\ud83d\ude00","frame":1}"#,
            "\u{1F600} <- 1 / -",
        ),
        (
            "{\"conn_id\":\"\u{1F600}\\n\u{1F600}\",\"frame\":1}",
            "\u{1F600}\n\u{1F600} <- 1 / -",
        ),
    ]);
}

#[test]
fn each_lone_surrogate_in_a_conn_id_reads_as_one_replacement_character() {
    check([
        (r#"{"conn_id":"\ud800","frame":1}"#, "\u{FFFD} <- 1 / -"),
        (
            r#"{"conn_id":"\udc00\ud800","frame":1}"#,
            "\u{FFFD}\u{FFFD} <- 1 / -",
        ),
        (
            r#"{"conn_id":"\ud800\u0041","frame":1}"#,
            "\u{FFFD}A <- 1 / -",
        ),
        (r#"{"conn_id":"\ud800\n","frame":1}"#, "\u{FFFD}\n <- 1 / -"),
        (
            r#"{"conn_id":"\ud800\ud83d\ude00","frame":1}"#,
            "\u{FFFD}\u{1F600} <- 1 / -",
        ),
        (
            "{\"conn_id\":\"\\ud83d\u{1F600}\\ude00\",\"frame\":1}",
            "\u{FFFD}\u{1F600}\u{FFFD} <- 1 / -",
        ),
    ]);
}

#[test]
fn c22_c23_c25_a_close_code_comes_with_a_frame_or_alone() {
    check([
        (
            r#"{"conn_id":"P","frame":{},"close_code":4401}"#,
            "P <- {} / 4401",
        ),
        (
            r#"{"conn_id":"P","frame":null,"close_code":4403}"#,
            "P <- - / 4403",
        ),
        (r#"{"conn_id":"P","close_code":4403}"#, "P <- - / 4403"),
        (r#"{"conn_id":"P","close_code":999}"#, "P <- - / 999"),
        (r#"{"conn_id":"P","close_code":1005}"#, "P <- - / 1005"),
        (r#"{"conn_id":"P","close_code":5000}"#, "P <- - / 5000"),
    ]);
}

#[test]
fn a_close_code_is_an_integer_literal_of_sixteen_bits() {
    check([
        (r#"{"conn_id":"P","close_code":1}"#, "P <- - / 1"),
        (r#"{"conn_id":"P","close_code":65535}"#, "P <- - / 65535"),
        (r#"{"conn_id":"P","close_code":0}"#, MISSING_FRAME),
        (r#"{"conn_id":"P","close_code":null}"#, MISSING_FRAME),
        (r#"{"conn_id":"P","frame":1,"close_code":0}"#, "P <- 1 / -"),
        (
            r#"{"conn_id":"P","frame":1,"close_code":null}"#,
            "P <- 1 / -",
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":65536}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":18446744073709551617}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":-1}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":-0}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":1.0}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":1e3}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":""}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":true}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":[1]}"#,
            BAD_CLOSE_CODE,
        ),
        (
            r#"{"conn_id":"P","frame":1,"close_code":{}}"#,
            BAD_CLOSE_CODE,
        ),
        (r#"{"conn_id":"P","frame":1,"close_code":01}"#, NOT_JSON),
        (r#"{"conn_id":"P","frame":1,"close_code":+1}"#, NOT_JSON),
    ]);
}

#[test]
fn case_50_push_wake_is_ignored_beside_a_conn_id() {
    check([(r#"{"conn_id":"P","frame":1,"push_wake":5}"#, "P <- 1 / -")]);
}

#[test]
fn c47_a_wake_is_read_only_without_a_conn_id() {
    check([
        (
            r#"{"push_wake": {"platform":"fcm", "token":"T"} }"#,
            r#"wake {"platform":"fcm", "token":"T"}"#,
        ),
        (r#"{"conn_id":null,"push_wake":{}}"#, "wake {}"),
        (r#"{"conn_id":"","push_wake":[]}"#, "wake []"),
        (r#"{"push_wake":{},"frame":1,"close_code":4401}"#, "wake {}"),
        (r#"{"push_wake":5}"#, "wake 5"),
        (r#"{"push_wake":false}"#, "wake false"),
        (r#"{"push_wake":null}"#, MISSING_CONN_ID),
        (r#"{"push_wake":null,"close_code":4401}"#, MISSING_CONN_ID),
        (r#"{"conn_id":"P","push_wake":{}}"#, MISSING_FRAME),
        (
            r#"{"conn_id":"P","push_wake":{},"close_code":4401}"#,
            "P <- - / 4401",
        ),
    ]);
}

#[test]
fn malformed_goes_before_missing_conn_id_before_missing_frame() {
    check([
        (r#"{"conn_id":1,"close_code":"1"} x"#, NOT_JSON),
        (r#"{"close_code":"1","conn_id":1}"#, BAD_CLOSE_CODE),
        (r#"{"close_code":"1"}"#, BAD_CLOSE_CODE),
        (r#"{"conn_id":"P","close_code":"1"}"#, BAD_CLOSE_CODE),
        (r#"{"push_wake":{},"close_code":"1"}"#, BAD_CLOSE_CODE),
        (r#"{"push_wake":{},"conn_id":1}"#, BAD_CONN_ID),
        (r#"{"close_code":4401}"#, MISSING_CONN_ID),
    ]);
}

#[test]
fn debug_output_holds_no_payload() {
    let deliver = parse_str(r#"{"conn_id":"P","frame":"secret","close_code":4401}"#);
    let wake = parse_str(r#"{"push_wake":"secret"}"#);
    let shown = format!("{deliver:?} {wake:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(
        shown.contains("frame_bytes: Some(8)") && shown.contains("bytes: 8"),
        "{shown}"
    );
}

#[test]
fn error_texts_are_fixed() {
    let malformed = |reason: Malformed| EnvelopeError::from(reason).to_string();
    assert_eq!(malformed(Malformed::NotUtf8), NOT_UTF8);
    assert_eq!(
        malformed(Malformed::TooDeep),
        "relay: malformed routing envelope: nested too deeply"
    );
    assert_eq!(malformed(Malformed::NotJson), NOT_JSON);
    assert_eq!(malformed(Malformed::NotAnObject), NOT_AN_OBJECT);
    assert_eq!(malformed(Malformed::ConnId), BAD_CONN_ID);
    assert_eq!(malformed(Malformed::CloseCode), BAD_CLOSE_CODE);
}
