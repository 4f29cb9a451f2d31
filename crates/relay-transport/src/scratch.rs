//! Read buffers that connections borrow for the length of one poll, so that an idle one holds none.

use parking_lot::Mutex;

/// Bytes one read can take: a backlog of some hundred small frames, or four TLS records; and 8 KiB for the heads of
/// frames of a round size, the last of which would be cut otherwise, and cost a copy of its own.
pub(crate) const SCRATCH_BYTES: usize = 72 << 10;

/// Buffers kept for reuse: more than there are worker threads on the machines this runs on.
const MAX_KEPT: usize = 32;

/// A free list of read buffers. A buffer is out only while a worker thread polls one connection, so their number
/// is bounded by the worker threads.
#[derive(Debug, Default)]
pub(crate) struct ScratchPool {
    free: Mutex<Vec<Box<[u8]>>>,
}

impl ScratchPool {
    pub(crate) fn take(&self) -> Box<[u8]> {
        let free = self.free.lock().pop();
        free.unwrap_or_else(|| vec![0; SCRATCH_BYTES].into_boxed_slice())
    }

    pub(crate) fn put(&self, scratch: Box<[u8]>) {
        let mut free = self.free.lock();
        if free.len() < MAX_KEPT {
            free.push(scratch);
        }
    }
}
