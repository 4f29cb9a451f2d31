//! What counts as one JSON value: the verdicts of RFC 8259 and of Go's `json.Valid`, which agree on all of these.

use super::super::{NotJson, check_frame, check_frame_str};

#[test]
fn c13_c14_accepts_any_one_json_value() {
    for payload in [
        "null",
        "true",
        "false",
        "7",
        r#""x""#,
        "[]",
        "{}",
        " \t\r\n7 \t\r\n",
        "[ ]",
        "{ }",
        r#" { "a" : [ 1 , { "b" : null } ] } "#,
        // Numbers of any size and spelling.
        "0",
        "-0",
        "1.0e+02",
        "1E-0",
        "0.10",
        "1e999999999",
        "123456789012345678901234567890123456789012345678901234567890",
        // Duplicate and empty keys.
        r#"{"a":1,"a":2}"#,
        r#"{"":{"":0}}"#,
        // Escapes, with lone and reversed surrogates in values and keys.
        r#""\"\\\/\b\f\n\r\t\u0000\u00e9\uABCD""#,
        r#""\ud83d\ude00""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800\u0041""#,
        r#""\ud800\n""#,
        r#"{"\ud800":"\udfff"}"#,
        // Raw characters that need no escape.
        "\"\u{7F}\u{80}\u{2028}\u{2029}\u{FEFF}\u{FFFF}\u{10FFFF}\"",
    ] {
        assert_eq!(check_frame(payload.as_bytes()), Ok(()), "{payload}");
        assert_eq!(check_frame_str(payload), Ok(()), "{payload}");
    }
}

#[test]
fn c15_refuses_what_is_not_one_json_value() {
    for payload in [
        "",
        " ",
        "not json",
        "\u{FEFF}",
        "\u{FEFF}{}",
        // Something before or after the value.
        "1 2",
        "{}{}",
        "[]]",
        "[],",
        "null\0",
        "\0null",
        "7x",
        "\"a\"b",
        // White space that JSON does not know.
        "\u{B}7",
        "7\u{C}",
        "\u{A0}7",
        "7\u{2028}",
        // Structure.
        "[",
        "]",
        "{",
        "}",
        "[}",
        "{]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1:2]",
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        r#"{"a":1,"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a"}"#,
        r#"{"a",1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1:2}"#,
        "{1:2}",
        "{null:2}",
        "{a:2}",
        "{'a':2}",
        "[1,/**/2]",
        "[1]//",
        // Literals.
        "nul",
        "nulL",
        "True",
        "truefalse",
        "NaN",
        "Infinity",
        "undefined",
        // Numbers.
        "-",
        "+1",
        "--1",
        "01",
        "-01",
        "00",
        ".5",
        "1.",
        "1.e1",
        "1e",
        "1e+",
        "1e1.5",
        "0x1",
        "1_000",
        "-Infinity",
        // Strings.
        "\"",
        "\"a",
        r#""\""#,
        r#""\\\""#,
        r#""\x""#,
        r#""\U0041""#,
        r#""\u004""#,
        r#""\u004g""#,
        r#""\u+041""#,
        r#""\ud800\u""#,
        r#""\'""#,
        "'a'",
        "\"\n\"",
        "\"\t\"",
        "\"\0\"",
        "\"\u{1F}\"",
        "\"12345678\u{1}\"",
        "{\"a\nb\":1}",
        "[{\"a\u{1F}\":1}]",
    ] {
        assert_eq!(check_frame(payload.as_bytes()), Err(NotJson), "{payload:?}");
        assert_eq!(check_frame_str(payload), Err(NotJson), "{payload:?}");
    }
}

#[test]
fn refuses_what_is_not_utf8() {
    for payload in [
        &b"\"\xFF\""[..],
        b"\"\xC0\xAF\"",
        b"\"\xED\xA0\x80\"",
        b"\"\xF4\x90\x80\x80\"",
        b"\"\xE2\x82\"",
        b"{\"\x80\":1}",
        b"\xFE\xFF\x00\x31",
    ] {
        assert_eq!(check_frame(payload), Err(NotJson), "{payload:?}");
    }
}

#[test]
fn the_error_names_the_fault_and_nothing_of_the_payload() {
    assert_eq!(NotJson.to_string(), "relay: frame is not valid JSON");
}
