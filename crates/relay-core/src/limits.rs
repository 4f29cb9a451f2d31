//! Every bound of the registry and its outboxes, with its default and why it is that.

use std::time::Duration;

/// Bounds of a [`Registry`](crate::Registry). Build with [`Limits::default`] and the setters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Phones per server-id. Default 16, inclusive; a daemon serves one household.
    pub max_phones_per_server: usize,
    /// How long a server-id stays reserved, phones attached, after its binary left. Default 30 s; one that ends
    /// beyond what an [`Instant`](std::time::Instant) can hold never ends.
    pub grace: Duration,
    /// Bytes queued for one phone. Default 32 MiB: the largest legal attachment, 16 MiB, is 373 frames and
    /// 30.2 MB on the wire, sent without pacing.
    pub max_phone_backlog: usize,
    /// Bytes queued for a binary above which its phones' readers wait. Default 256 KiB: one largest message,
    /// and several round trips of ordinary ones.
    ///
    /// Each of `max_phones_per_server` phones can overshoot it by one message.
    pub binary_high_water: usize,
    /// Bytes queued in the whole process. Default 256 MiB; above it the largest phone backlog is dropped.
    pub queue_memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_phones_per_server: 16,
            grace: Duration::from_secs(30),
            max_phone_backlog: 32 << 20,
            binary_high_water: 256 << 10,
            queue_memory: 256 << 20,
        }
    }
}

impl Limits {
    /// Sets [`max_phones_per_server`](Self::max_phones_per_server).
    #[must_use]
    pub fn max_phones_per_server(mut self, phones: usize) -> Self {
        self.max_phones_per_server = phones;
        self
    }

    /// Sets [`grace`](Self::grace).
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets [`max_phone_backlog`](Self::max_phone_backlog).
    #[must_use]
    pub fn max_phone_backlog(mut self, bytes: usize) -> Self {
        self.max_phone_backlog = bytes;
        self
    }

    /// Sets [`binary_high_water`](Self::binary_high_water).
    #[must_use]
    pub fn binary_high_water(mut self, bytes: usize) -> Self {
        self.binary_high_water = bytes;
        self
    }

    /// Sets [`queue_memory`](Self::queue_memory).
    #[must_use]
    pub fn queue_memory(mut self, bytes: usize) -> Self {
        self.queue_memory = bytes;
        self
    }
}
