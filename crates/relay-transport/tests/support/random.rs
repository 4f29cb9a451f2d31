//! Seeded randomness, the same in every run.

/// xorshift64* (Vigna 2016).
pub(crate) struct Random(u64);

impl Random {
    /// The caller prints the seed, which the test harness shows if the test fails.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// An independent sequence for another task.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next() | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to `end`, exclusive.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}
