//! How large a message may be, and in how many pieces it may come.
//!
//! It must not know who decides that.

/// The most frames one message may come in: the relay's largest message, 262 144 bytes, in pieces of 64.
///
/// Without it continuations of no length could go on for ever inside the limit on bytes.
pub(super) const MAX_FRAGMENTS: u32 = 4096;

/// What one message may amount to; both inclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Over all fragments.
    pub(crate) max_bytes: usize,
    pub(crate) max_fragments: u32,
}

impl Bounds {
    /// The relay's: so many bytes, in at most 4096 frames.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            max_fragments: MAX_FRAGMENTS,
        }
    }
}
