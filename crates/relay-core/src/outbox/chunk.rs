//! A run of framed messages in one allocation, ready for one write.

use crate::framing::{MAX_HEAD, text_head, whole_frames};

/// Bytes that one chunk gathers: past 64 KiB a larger write saves no measurable CPU per message.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// The smallest allocation worth making: one ordinary envelope.
const MIN_CHUNK_BYTES: usize = 256;

/// Framed messages, first to last, to be written whole: a chunk begins and ends at a frame boundary.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    forwarded: u32,
}

impl Chunk {
    pub(super) fn with_room_for(framed: usize, hint: usize) -> Self {
        let capacity = framed.max(hint.min(CHUNK_BYTES)).max(MIN_CHUNK_BYTES);
        Self {
            bytes: Vec::with_capacity(capacity),
            forwarded: 0,
        }
    }

    /// Whether a message of this framed length still belongs into this chunk.
    pub(super) fn takes(&self, framed: usize) -> bool {
        self.bytes.len() + framed <= CHUNK_BYTES.max(self.bytes.capacity())
    }

    /// Appends one text message made of `parts`.
    pub(super) fn append(&mut self, parts: &[&[u8]], payload_len: usize, counts: bool) {
        let framed = payload_len + MAX_HEAD;
        if self.bytes.capacity() - self.bytes.len() < framed {
            let doubled = (self.bytes.capacity() * 2).min(CHUNK_BYTES);
            let wanted = doubled.max(self.bytes.len() + framed);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        let mut head = [0; MAX_HEAD];
        let head_len = text_head(payload_len, &mut head);
        self.bytes.extend_from_slice(&head[..head_len]);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.forwarded += u32::from(counts);
    }

    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forwarded frames inside, close notices left out.
    pub fn forwarded(&self) -> u32 {
        self.forwarded
    }

    /// Forwarded frames that lie wholly within the first `written` bytes.
    pub(super) fn forwarded_within(&self, written: usize) -> u32 {
        if written >= self.bytes.len() {
            self.forwarded
        } else {
            whole_frames(&self.bytes[..written]).min(self.forwarded)
        }
    }

    /// What the chunk pins: its allocation, not its length.
    pub(super) fn pinned(&self) -> usize {
        self.bytes.capacity()
    }
}
