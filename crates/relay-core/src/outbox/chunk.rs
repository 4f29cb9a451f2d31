//! A run of framed messages in one allocation, ready for one write.

use crate::framing::{MAX_HEAD, text_head, whole_frames};

/// Bytes that one chunk gathers: 64 KiB, past which a larger write saves no measurable CPU per message, and room for
/// heads and envelopes, without which frames of a round size would fill one but for the last of them. For that 8 KiB
/// would do; but jemalloc gives 80 KiB for 72, and what is not charged must not be resident either.
pub(super) const CHUNK_BYTES: usize = 80 << 10;

/// Up to where a chunk grows by doubling. Each step beyond would leave behind a piece that is too small for the next
/// one: with hundreds of phones behind, these added up to a quarter of the queues.
const MAX_DOUBLED: usize = 8 << 10;

/// The smallest allocation worth making: one ordinary envelope.
const MIN_CHUNK_BYTES: usize = 256;

/// Framed messages, first to last, to be written whole: a chunk begins and ends at a frame boundary.
#[derive(Debug, Default)]
pub struct Chunk {
    bytes: Vec<u8>,
    forwarded: u32,
    /// Where each notice ends: what tells it from a frame when a torn chunk is counted.
    notice_ends: Vec<usize>,
}

/// What a queued message counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Frame,
    Notice,
}

impl Chunk {
    /// An empty chunk for a message of this framed length; a generous guess beyond that pins at most `room`.
    pub(super) fn with_room_for(framed: usize, hint: usize, room: usize) -> Self {
        let guess = hint.clamp(MIN_CHUNK_BYTES, CHUNK_BYTES).min(room);
        Self {
            bytes: Vec::with_capacity(framed.max(guess)),
            ..Self::default()
        }
    }

    /// Whether a message of this framed length still belongs into this chunk.
    pub(super) fn takes(&self, framed: usize) -> bool {
        self.bytes.len() + framed <= CHUNK_BYTES.max(self.bytes.capacity())
    }

    /// Bytes that a message of this framed length pins in addition, at the least.
    pub(super) fn least_growth(&self, framed: usize) -> usize {
        (self.bytes.len() + framed).saturating_sub(self.bytes.capacity())
    }

    /// Appends one text message made of `parts`; growing beyond its need pins at most `room` more.
    pub(super) fn append(&mut self, parts: &[&[u8]], kind: Kind, room: usize) {
        let payload_len = parts.iter().map(|part| part.len()).sum::<usize>();
        let framed = payload_len + MAX_HEAD;
        if self.least_growth(framed) > 0 {
            let capacity = self.bytes.capacity();
            let doubled = Some(capacity * 2).filter(|doubled| *doubled <= MAX_DOUBLED);
            let grown = doubled
                .unwrap_or(CHUNK_BYTES)
                .min(capacity.saturating_add(room));
            let wanted = grown.max(self.bytes.len() + framed);
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        let mut head = [0; MAX_HEAD];
        let head_len = text_head(payload_len, &mut head);
        self.bytes.extend_from_slice(&head[..head_len]);
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        match kind {
            Kind::Frame => self.forwarded += 1,
            Kind::Notice => self.notice_ends.push(self.bytes.len()),
        }
    }

    /// Turns the text message appended last, whose payload has this length, into a binary one.
    #[cfg(feature = "internals")]
    pub(super) fn make_last_binary(&mut self, payload_len: usize) {
        const FIN_BINARY: u8 = 0x82;
        let head_len = text_head(payload_len, &mut [0; MAX_HEAD]);
        let at = self.bytes.len() - payload_len - head_len;
        self.bytes[at] = FIN_BINARY;
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
            return self.forwarded;
        }
        let notices = self.notice_ends.partition_point(|end| *end <= written);
        whole_frames(&self.bytes[..written]) - notices as u32
    }

    /// What the chunk pins: its allocations, not its length.
    pub(super) fn pinned(&self) -> usize {
        self.bytes.capacity() + self.notice_ends.capacity() * size_of::<usize>()
    }
}
