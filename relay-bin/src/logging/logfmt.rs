//! logfmt: `key=value`, in double quotes with Go's escapes where the value could be mistaken for something else.
//!
//! The rules are those of Go's `slog.TextHandler` and `strconv.Quote`, because the existing logs are read by tools that know them.

use std::fmt::Write as _;

use super::printable::is_printable;

pub(super) fn push_key(line: &mut String, key: &str) {
    if !line.is_empty() {
        line.push(' ');
    }
    push_text(line, key.as_bytes());
    line.push('=');
}

pub(super) fn push_text(line: &mut String, value: &[u8]) {
    match str::from_utf8(value) {
        Ok(text) if !needs_quotes(text) => line.push_str(text),
        _ => push_quoted(line, value),
    }
}

fn needs_quotes(text: &str) -> bool {
    text.is_empty() || text.contains(|c| matches!(c, ' ' | '=' | '"') || !is_printable(c))
}

fn push_quoted(line: &mut String, value: &[u8]) {
    line.push('"');
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_char(line, c);
        }
        for byte in chunk.invalid() {
            push_escape(line, format_args!("\\x{byte:02x}"));
        }
    }
    line.push('"');
}

fn push_char(line: &mut String, c: char) {
    match c {
        '"' => line.push_str("\\\""),
        '\\' => line.push_str("\\\\"),
        '\x07' => line.push_str("\\a"),
        '\x08' => line.push_str("\\b"),
        '\x0c' => line.push_str("\\f"),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        '\x0b' => line.push_str("\\v"),
        c if is_printable(c) => line.push(c),
        c => match u32::from(c) {
            code @ ..0x80 => push_escape(line, format_args!("\\x{code:02x}")),
            code @ 0x80..0x1_0000 => push_escape(line, format_args!("\\u{code:04x}")),
            code => push_escape(line, format_args!("\\U{code:08x}")),
        },
    }
}

fn push_escape(line: &mut String, escape: std::fmt::Arguments<'_>) {
    line.write_fmt(escape).expect("a String takes all text");
}
