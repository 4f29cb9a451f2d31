//! The nesting limit: how deep a JSON text goes, in one flat scan.
//!
//! It must not know what is valid JSON: on a text that is not, its answer is harmless, since a parser refuses that.

/// How many arrays and objects a JSON text may nest inside one another, inclusive.
///
/// RFC 8259 section 9 leaves the limit to the implementation; this one is that of Go's `encoding/json`, so that the
/// relay and a Go peer agree on what is JSON.
/// It bounds the work a message can ask for, not our stack: nothing in the relay recurses on a message.
pub const MAX_DEPTH: usize = 10_000;

/// Whether valid JSON `text` nests deeper than [`MAX_DEPTH`].
pub(super) fn exceeds_limit(text: &[u8]) -> bool {
    // A level costs at least its opening bracket, which settles nearly every message without reading its strings.
    text.len() > MAX_DEPTH && opening_brackets(text) > MAX_DEPTH && scan(text)
}

/// How often `[` and `{` occur in `text`, inside strings too.
fn opening_brackets(text: &[u8]) -> usize {
    // A block's count fits a u8, so counting compiles to byte-wide SIMD.
    const BLOCK: usize = 192;
    let count = |block: &[u8]| -> u8 {
        let brackets = block.iter().map(|byte| matches!(byte, b'[' | b'{'));
        brackets.map(u8::from).sum()
    };
    text.chunks(BLOCK)
        .map(|block| usize::from(count(block)))
        .sum()
}

fn scan(text: &[u8]) -> bool {
    let mut depth = 0_usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

/// Moves past the closing quote of the string whose opening quote was the last byte taken.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}
