//! How long a drain may take, and the way to cut it short.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The bounds of one drain.
#[derive(Clone, Debug)]
pub struct ShutdownContext {
    pub(crate) deadline: Duration,
    pub(crate) spread: Duration,
    pub(crate) jitter_seed: Option<u64>,
    pub(crate) cut: CancellationToken,
}

/// Cuts a drain short, as a second signal does. Clones act on the same drain.
#[derive(Clone, Debug)]
pub struct CutHandle(CancellationToken);

/// A peer on a slow line gets 5 s to take what was accepted for it and as long to answer the close.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// How long a leg may take to notice that it was cut, and then a task that it was aborted: a quarter of a second
/// each, so that a drain ends half a second after its deadline at the latest.
pub(crate) const CUT_GRACE: Duration = Duration::from_millis(250);

impl Default for ShutdownContext {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            spread: Duration::ZERO,
            jitter_seed: None,
            cut: CancellationToken::new(),
        }
    }
}

impl ShutdownContext {
    /// The default bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long everything together may take before what is left is cut. Default 10 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Over how long the closes are spread, binaries before their phones, so that who comes back does not come in one
    /// instant; at most the deadline, within which everything has to be over. Default 0: all at once.
    ///
    /// Worth it where they come back to somebody: a successor on the same listener, or another instance.
    #[must_use]
    pub fn spread(mut self, spread: Duration) -> Self {
        self.spread = spread;
        self
    }

    /// Fixes the jitter of a spread, so that a test can repeat it. Default: another one in each drain.
    #[must_use]
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.jitter_seed = Some(seed);
        self
    }

    /// A handle that ends the drain early.
    pub fn cut_handle(&self) -> CutHandle {
        CutHandle(self.cut.clone())
    }

    /// How long a peer asked this long after the start may take what was accepted for it: half of the time that is
    /// left, so that its close and its answer have the other half.
    pub(crate) fn flush(&self, asked_after: Duration) -> Duration {
        self.deadline.saturating_sub(asked_after) / 2
    }
}

impl CutHandle {
    /// Drops every socket that is still open. Idempotent.
    pub fn cut(&self) {
        self.0.cancel();
    }
}
