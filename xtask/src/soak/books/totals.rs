//! Sums over a run, for the report and against the relay's own.

/// Sums for the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::soak) struct Totals {
    pub(in crate::soak) phones_dialled: u64,
    pub(in crate::soak) phones_ended: u64,
    pub(in crate::soak) phones_registered: u64,
    pub(in crate::soak) phones_refused: u64,
    pub(in crate::soak) phones_evicted: u64,
    pub(in crate::soak) phones_dropped: u64,
    pub(in crate::soak) phones_offended: u64,
    pub(in crate::soak) daemons_claimed: u64,
    pub(in crate::soak) daemons_released: u64,
    pub(in crate::soak) daemons_crashed: u64,
    pub(in crate::soak) daemons_left: u64,
    pub(in crate::soak) takeovers: u64,
    pub(in crate::soak) claims_refused: u64,
    pub(in crate::soak) directives: u64,
    pub(in crate::soak) notices: u64,
    pub(in crate::soak) frames_sent_by_phones: u64,
    pub(in crate::soak) frames_received_by_daemons: u64,
    pub(in crate::soak) frames_sent_by_daemons: u64,
    pub(in crate::soak) frames_received_by_phones: u64,
    pub(in crate::soak) bad_envelopes: u64,
    pub(in crate::soak) requests: u64,
}

impl Totals {
    /// Each with its name.
    pub(in crate::soak) fn named(self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("phones_dialled", self.phones_dialled),
            ("phones_ended", self.phones_ended),
            ("phones_registered", self.phones_registered),
            ("phones_refused", self.phones_refused),
            ("phones_evicted", self.phones_evicted),
            ("phones_dropped", self.phones_dropped),
            ("phones_offended", self.phones_offended),
            ("daemons_claimed", self.daemons_claimed),
            ("daemons_released", self.daemons_released),
            ("daemons_crashed", self.daemons_crashed),
            ("daemons_left", self.daemons_left),
            ("takeovers", self.takeovers),
            ("claims_refused", self.claims_refused),
            ("directives", self.directives),
            ("notices", self.notices),
            ("frames_sent_by_phones", self.frames_sent_by_phones),
            (
                "frames_received_by_daemons",
                self.frames_received_by_daemons,
            ),
            ("frames_sent_by_daemons", self.frames_sent_by_daemons),
            ("frames_received_by_phones", self.frames_received_by_phones),
            ("bad_envelopes", self.bad_envelopes),
            ("requests", self.requests),
        ]
        .into_iter()
    }
}
