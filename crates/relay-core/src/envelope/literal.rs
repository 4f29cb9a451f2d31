//! JSON string literals as they stand in a message: their text, and whether they spell a field's name.
//!
//! Every function takes a literal that a parser has already accepted, quotes included.
//! Nothing here fails: what JSON allows and Unicode does not, a lone surrogate escape, reads as U+FFFD.

use std::borrow::Cow;
use std::iter;

/// The text of a string literal, borrowed unless it holds an escape.
pub(crate) fn text(literal: &str) -> Cow<'_, str> {
    let body = body(literal);
    if body.contains('\\') {
        Cow::Owned(characters(body).collect())
    } else {
        Cow::Borrowed(body)
    }
}

/// Whether a key's literal means the field called `name`, which is lower-case ASCII.
///
/// Go's `encoding/json` matches keys under Unicode simple case folding, after undoing escapes.
/// Outside ASCII only two characters fold to an ASCII letter: U+017F to `s` and U+212A to `k`.
pub(crate) fn spells(literal: &str, name: &str) -> bool {
    characters(body(literal)).map(fold).eq(name.chars())
}

fn fold(character: char) -> char {
    match character {
        '\u{017F}' => 's',
        '\u{212A}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

fn body(literal: &str) -> &str {
    literal
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default()
}

fn characters(body: &str) -> impl Iterator<Item = char> {
    char::decode_utf16(utf16_units(body)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
}

/// The UTF-16 code units a string's body stands for.
///
/// A `\u` escape is one such unit, half of a pair or a lone half (RFC 8259 section 7); plain text is brought to match.
fn utf16_units(body: &str) -> impl Iterator<Item = u16> {
    let mut rest = body.chars();
    let mut second_half = None;
    iter::from_fn(move || {
        if let Some(unit) = second_half.take() {
            return Some(unit);
        }
        let character = match rest.next()? {
            '\\' => match rest.next()? {
                'u' => {
                    let (digits, tail) = rest.as_str().split_at_checked(4)?;
                    rest = tail.chars();
                    return u16::from_str_radix(digits, 16).ok();
                }
                'b' => '\u{8}',
                'f' => '\u{C}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                itself => itself,
            },
            plain => plain,
        };
        let mut units = [0; 2];
        second_half = character.encode_utf16(&mut units).get(1).copied();
        Some(units[0])
    })
}
