//! Dictionaries as libFuzzer reads them: a line for each word, in quotes, with `\xNN`, `\"` and `\\`.

use std::fs;
use std::path::Path;

/// The words of a dictionary.
pub(crate) fn read(path: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(path).expect("a dictionary");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(word).collect()
}

fn word(line: &str) -> Vec<u8> {
    let quoted = line
        .strip_prefix('"')
        .and_then(|line| line.strip_suffix('"'));
    let mut rest = quoted
        .unwrap_or_else(|| panic!("not in quotes: {line}"))
        .bytes();
    let mut word = Vec::new();
    while let Some(byte) = rest.next() {
        word.push(match byte {
            b'\\' => match rest.next() {
                Some(b'x') => {
                    let digits = [rest.next(), rest.next()].map(Option::unwrap_or_default);
                    let digits = String::from_utf8(digits.to_vec()).expect("digits");
                    u8::from_str_radix(&digits, 16).expect("two digits")
                }
                Some(itself @ (b'"' | b'\\')) => itself,
                _ => panic!("no such escape: {line}"),
            },
            plain => plain,
        });
    }
    word
}

#[test]
fn reads_words_and_escapes() {
    assert_eq!(word(r#""\x00a\"b\\\xff""#), b"\0a\"b\\\xff");
}
