//! JSON: one object per line, pure of anything that a terminal would act on.
//!
//! Strings are escaped here rather than by serde_json, which leaves DEL, C1 controls and bidirectional overrides as they are.

use std::fmt::Write as _;

use super::printable::is_printable;

pub(super) fn push_key(line: &mut String, key: &str) {
    if !line.ends_with('{') {
        line.push(',');
    }
    push_text(line, key.as_bytes());
    line.push(':');
}

/// A string; bytes that are not UTF-8 become U+FFFD, since JSON has no notation for them.
pub(super) fn push_text(line: &mut String, value: &[u8]) {
    line.push('"');
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_char(line, c);
        }
        if !chunk.invalid().is_empty() {
            line.push(char::REPLACEMENT_CHARACTER);
        }
    }
    line.push('"');
}

fn push_char(line: &mut String, c: char) {
    match c {
        '"' => line.push_str("\\\""),
        '\\' => line.push_str("\\\\"),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        c if is_printable(c) => line.push(c),
        c => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(line, "\\u{unit:04x}").expect("a String takes all text");
            }
        }
    }
}
