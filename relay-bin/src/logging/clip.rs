//! The bound on a value's length.

use std::fmt;

/// Bytes of a value that are logged where peers may have written it; longer ones end in `…`.
///
/// Peers fill headers up to 16 KiB; names and addresses worth reading are shorter than this.
pub const MAX_VALUE_LEN: usize = 256;

/// The same where only the operator may have written it: room for all 41 capabilities by name, 1 058 bytes.
pub const MAX_OWN_VALUE_LEN: usize = 2048;

const ELLIPSIS: &str = "…";

/// A value as text, cut while it is being formatted: memory stays bounded, whatever a `Display` writes.
pub(super) struct Clipped {
    text: Vec<u8>,
    room: usize,
    is_cut: bool,
}

impl Clipped {
    /// Nothing yet, and at most `room` bytes later.
    pub(super) fn within(room: usize) -> Self {
        Self {
            text: Vec::new(),
            room,
            is_cut: false,
        }
    }

    pub(super) fn of(value: &[u8], room: usize) -> Self {
        let mut clipped = Self::within(room);
        clipped.push(value);
        clipped
    }

    pub(super) fn display(value: impl fmt::Display, room: usize) -> Self {
        let mut clipped = Self::within(room);
        // An error is the value's own; what it wrote until then is all there is to log.
        let _ = fmt::write(&mut clipped, format_args!("{value}"));
        clipped
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        if self.is_cut {
            return;
        }
        let room = self.room - self.text.len();
        if value.len() <= room {
            self.text.extend_from_slice(value);
            return;
        }
        self.text.extend_from_slice(&value[..boundary(value, room)]);
        self.text.extend_from_slice(ELLIPSIS.as_bytes());
        self.is_cut = true;
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

/// A value that does not fit is dropped rather than refused: some `Display`s panic when their writer fails.
impl fmt::Write for Clipped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The last character boundary of `value` up to `end`; in what is not UTF-8, at most three bytes are given up.
fn boundary(value: &[u8], end: usize) -> usize {
    (end.saturating_sub(3)..=end)
        .rev()
        .find(|&index| value[index] & 0b1100_0000 != 0b1000_0000)
        .unwrap_or(end)
}
