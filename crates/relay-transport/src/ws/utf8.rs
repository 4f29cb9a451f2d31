//! Text that arrives in parts which may end inside a character.
//!
//! It must not know frames or messages, only which bytes follow which.

use super::violation::Violation;

/// Text proven so far, and the start of a character still short of its end.
///
/// Each byte is checked once, in the part it arrives with, so an offence surfaces at once and the finished text needs
/// no second look.
#[derive(Default)]
pub(super) struct Utf8Buffer {
    text: String,
    /// At most three bytes between two calls; the fourth always completes the character or breaks it.
    cut: [u8; 4],
    cut_len: u8,
}

impl Utf8Buffer {
    pub(super) fn push(&mut self, part: &[u8]) -> Result<(), Violation> {
        let mut part = part;
        while self.cut_len > 0
            && let Some((&byte, rest)) = part.split_first()
        {
            self.push_byte(byte)?;
            part = rest;
        }
        let (whole, cut) = part.split_at(part.len() - cut_character(part));
        let whole = simdutf8::basic::from_utf8(whole).map_err(|_| Violation::InvalidText)?;
        self.text.push_str(whole);
        cut.iter().try_for_each(|&byte| self.push_byte(byte))
    }

    /// Adds a byte to the character that is short of its end.
    fn push_byte(&mut self, byte: u8) -> Result<(), Violation> {
        let len = usize::from(self.cut_len);
        self.cut[len] = byte;
        self.cut_len += 1;
        match std::str::from_utf8(&self.cut[..=len]) {
            Ok(character) => {
                self.text.push_str(character);
                self.cut_len = 0;
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(Violation::InvalidText),
        }
    }

    /// Proves that the text does not end inside a character (fastwebsockets hazard H7, see docs/ARCHITECTURE.md).
    pub(super) fn finish(&self) -> Result<(), Violation> {
        if self.cut_len == 0 {
            Ok(())
        } else {
            Err(Violation::InvalidText)
        }
    }

    /// The text proven so far.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// All bytes pushed, those of an unfinished character included.
    pub(super) fn len(&self) -> usize {
        self.text.len() + usize::from(self.cut_len)
    }

    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Makes room for `total` bytes of text, and no more than that.
    pub(super) fn reserve_total(&mut self, total: usize) {
        self.text.reserve_exact(total - self.text.len());
    }
}

/// How many bytes at the end of `bytes` begin a character that needs more than there are.
///
/// Only lengths are judged; whether those bytes can begin a character at all is the validator's business.
fn cut_character(bytes: &[u8]) -> usize {
    for (before, byte) in bytes.iter().rev().take(3).enumerate() {
        let width = match byte {
            0x80..=0xbf => continue,
            0x00..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
        };
        let present = before + 1;
        return if present < width { present } else { 0 };
    }
    0
}
