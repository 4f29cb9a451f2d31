//! How wakes end, and how many did.

/// How a wake ended, as the metric `pyrycode_relay_push_wakes_total` labels it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// FCM accepted it.
    Sent,
    /// FCM said now, or less than an hour ago, that there is no such token any more.
    Unregistered,
    /// The token endpoint gave no access token.
    TokenFetchFailed,
    /// FCM did not accept it, for any other reason; or the relay stopped first.
    SendFailed,
    /// Refused because too many are waiting, or never begun because others took all of its time.
    Dropped,
}

impl Outcome {
    /// All of them, for whoever exports one series each.
    pub const ALL: [Self; 5] = [
        Self::Sent,
        Self::Unregistered,
        Self::SendFailed,
        Self::TokenFetchFailed,
        Self::Dropped,
    ];

    /// The label's value.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Unregistered => "unregistered",
            Self::TokenFetchFailed => "token_fetch_failed",
            Self::SendFailed => "send_failed",
            Self::Dropped => "dropped",
        }
    }
}

/// Counters since the start, and gauges of this moment.
///
/// A request that is refused before it is understood, or because push is off, counts nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Wakes that ended as [`Outcome::Sent`].
    pub sent: u64,
    /// Wakes that ended as [`Outcome::Unregistered`].
    pub unregistered: u64,
    /// Wakes that ended as [`Outcome::SendFailed`].
    pub send_failed: u64,
    /// Wakes that ended as [`Outcome::TokenFetchFailed`].
    pub token_fetch_failed: u64,
    /// Wakes that ended as [`Outcome::Dropped`].
    pub dropped: u64,
    /// Requests that became one with a wake already waiting; they have no outcome of their own.
    pub coalesced: u64,
    /// Attempts that failed and were put off to a later one.
    pub retried: u64,
    /// Wakes waiting now.
    pub queued: usize,
    /// Wakes being sent now.
    pub in_flight: usize,
}

impl Stats {
    /// The counter of one outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Sent => self.sent,
            Outcome::Unregistered => self.unregistered,
            Outcome::TokenFetchFailed => self.token_fetch_failed,
            Outcome::SendFailed => self.send_failed,
            Outcome::Dropped => self.dropped,
        }
    }

    pub(crate) fn step(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Unregistered => &mut self.unregistered,
            Outcome::TokenFetchFailed => &mut self.token_fetch_failed,
            Outcome::SendFailed => &mut self.send_failed,
            Outcome::Dropped => &mut self.dropped,
        };
        *counter += 1;
    }
}
