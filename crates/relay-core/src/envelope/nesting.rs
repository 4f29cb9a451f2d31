//! Which brackets of a JSON text are open, and how many there may be.
//!
//! It must not know what stands between them.

use super::scan::Fault;

/// How many arrays and objects a JSON text may nest inside one another, inclusive.
///
/// RFC 8259 section 9 leaves the limit to the implementation; this one is that of Go's `encoding/json`, so that the
/// relay and a Go peer agree on what is JSON.
/// It bounds the memory a message can ask for to 1250 bytes, a bit a level; nothing in the relay recurses on a message.
pub const MAX_DEPTH: usize = 10_000;

/// What a bracket opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bracket {
    Array,
    Object,
}

impl Bracket {
    pub(super) fn closing(self) -> u8 {
        match self {
            Self::Array => b']',
            Self::Object => b'}',
        }
    }
}

/// Levels in one word.
const WORD: usize = u64::BITS as usize;

/// The open brackets, outermost first.
#[derive(Default)]
pub(super) struct Nesting {
    depth: usize,
    /// The innermost levels, the innermost of all in the lowest bit; set for an object.
    inner: u64,
    /// Full words of levels further out. No ordinary message has any.
    outer: Vec<u64>,
}

impl Nesting {
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn open(&mut self, bracket: Bracket) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        if self.depth > 0 && self.depth.is_multiple_of(WORD) {
            self.outer.push(self.inner);
        }
        self.inner = (self.inner << 1) | u64::from(bracket == Bracket::Object);
        self.depth += 1;
        Ok(())
    }

    /// Closes the innermost one; there must be one.
    pub(super) fn close(&mut self) {
        debug_assert!(self.depth > 0, "a bracket is open");
        self.inner >>= 1;
        self.depth -= 1;
        if self.depth > 0 && self.depth.is_multiple_of(WORD) {
            self.inner = self.outer.pop().unwrap_or_default();
        }
    }

    /// The innermost open one; there must be one.
    pub(super) fn innermost(&self) -> Bracket {
        debug_assert!(self.depth > 0, "a bracket is open");
        if self.inner & 1 == 1 {
            Bracket::Object
        } else {
            Bracket::Array
        }
    }
}
