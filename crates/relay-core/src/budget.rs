//! The process-wide count of queued bytes. Knows how much, never whose.

use std::sync::atomic::Ordering;

use crate::sync::AtomicUsize;

/// Bytes that all outboxes of one registry pin together, against one limit.
///
/// The invariant `used = Σ outboxes` holds whenever no outbox is inside a call; the model test keeps it.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// Bytes pinned now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The bound, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_over(&self) -> bool {
        self.used() > self.limit
    }

    pub(crate) fn charge(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn release(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "released more than was charged");
    }
}
