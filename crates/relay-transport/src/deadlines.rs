//! The earliest of a connection's deadlines, on one timer that is moved only when it must ring sooner.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// When to look again, from several sources.
#[derive(Debug, Default)]
pub(crate) struct Earliest(Option<Instant>);

impl Earliest {
    pub(crate) fn or(mut self, deadline: Option<Instant>) -> Self {
        self.0 = match (self.0, deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }

    /// Known without the timer, which the runtime may hold back from a task that is busy.
    pub(crate) fn is_past(&self, now: Instant) -> bool {
        self.0.is_some_and(|deadline| now >= deadline)
    }

    /// Ready when the deadline has passed. A timer set for earlier is left to ring in vain: deadlines mostly move
    /// away, and moving a timer costs more than a spurious wake-up per interval.
    pub(crate) fn poll(self, mut sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.0.map(tokio::time::Instant::from_std) else {
            return Poll::Pending;
        };
        if sleep.is_elapsed() || deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        sleep.poll(cx)
    }
}
