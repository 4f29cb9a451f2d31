//! Text in parts against the standard library's view of the whole.

use proptest::prelude::*;

use super::super::utf8::Utf8Buffer;
use super::*;

/// What a buffer must say after `bytes`: all of them fine so far, and whether they end inside a character.
fn expected(bytes: &[u8]) -> Result<bool, Violation> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(false),
        Err(error) if error.error_len().is_none() => Ok(true),
        Err(_) => Err(Violation::InvalidText),
    }
}

fn check<'a>(parts: impl IntoIterator<Item = &'a [u8]>) {
    let mut buffer = Utf8Buffer::default();
    let mut so_far = Vec::new();
    for part in parts {
        so_far.extend_from_slice(part);
        let open = expected(&so_far);
        assert_eq!(buffer.push(part), open.map(drop), "{so_far:x?}");
        let Ok(open) = open else { return };
        assert_eq!(buffer.len(), so_far.len());
        assert_eq!(buffer.finish().is_err(), open, "{so_far:x?}");
        assert!(so_far.starts_with(buffer.as_str().as_bytes()));
    }
}

fn check_every_cut(bytes: &[u8]) {
    check([bytes]);
    check(bytes.chunks(1));
    for at in 1..bytes.len() {
        let (front, back) = bytes.split_at(at);
        check([front, back]);
    }
}

/// Every first byte there is, with every second, and third and fourth bytes from both sides of each boundary.
#[test]
fn agrees_with_the_standard_library_on_every_short_sequence() {
    const EDGES: [u8; 9] = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0xa0, 0xbf, 0xc2, 0xff];
    for first in 0..=u8::MAX {
        check_every_cut(&[first]);
        for second in 0..=u8::MAX {
            check_every_cut(&[first, second]);
            for third in EDGES {
                check_every_cut(&[first, second, third]);
            }
        }
        for second in EDGES {
            for third in EDGES {
                for fourth in EDGES {
                    check_every_cut(&[first, second, third, fourth, b'!']);
                }
            }
        }
    }
}

/// Bytes that are mostly text, broken here and there.
fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => "[ -~é世🌍\u{7ff}\u{800}\u{ffff}\u{10000}]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(differential::config())]

    #[test]
    fn agrees_with_the_standard_library_on_longer_text(
        bytes in nearly_text(),
        size in 1_usize..80,
    ) {
        check(bytes.chunks(size));
    }
}
