//! Bytes inside a JSON string that need no look, skipped many at a time.
//!
//! It must not know where a string begins, or what the byte that ends a run means.

/// How many bytes from the front of a string's inside need no look: no quote, no backslash, no control character.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    // Most strings end in their first word, and those that do not are long.
    if let Some(word) = bytes.first_chunk() {
        match ends_in(word) {
            0 => run = WORD,
            ends => return first_of(ends),
        }
    }
    let (blocks, _) = bytes[run..].as_chunks();
    run += blocks.iter().take_while(|block| is_plain(block)).count() * BLOCK;
    let (words, rest) = bytes[run..].as_chunks();
    for word in words {
        match ends_in(word) {
            0 => run += WORD,
            ends => return run + first_of(ends),
        }
    }
    run + rest.iter().take_while(|byte| verdict(**byte) > 0).count()
}

/// Bytes judged in a few SIMD instructions.
const BLOCK: usize = 64;

/// The least verdict of all, which compiles to SIMD as an early exit would not.
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let verdicts = block.iter().map(|byte| verdict(*byte));
    verdicts.fold(u8::MAX, u8::min) > 0
}

/// Zero for a byte that ends a run.
fn verdict(byte: u8) -> u8 {
    let control = byte.saturating_sub(0x1f);
    control.min(byte ^ b'"').min(byte ^ b'\\')
}

/// Bytes judged in a register.
const WORD: usize = 8;

/// The high bit of the lowest byte that ends a run, and of some behind it: a borrow only ever moves upwards.
fn ends_in(word: &[u8; WORD]) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(*word);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    (quotes | backslashes | controls) & (ONES << 7)
}

fn first_of(ends: u64) -> usize {
    ends.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind of end, at each place, with each kind of neighbour that is none.
    #[test]
    fn a_run_ends_at_the_first_byte_that_needs_a_look() {
        let ends = (0..0x20).chain(*b"\"\\");
        for end in ends {
            for at in 0..200 {
                let mut bytes = [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff].repeat(25);
                bytes[at] = end;
                // What stands behind the first end must not be taken for it.
                bytes.extend_from_slice(b"\"\\\0");
                assert_eq!(plain_run(&bytes), at, "{end:#x}");
                assert_eq!(plain_run(&bytes[..at]), at, "{end:#x}");
            }
        }
    }
}
