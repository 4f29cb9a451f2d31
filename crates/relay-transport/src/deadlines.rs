//! The earliest of a connection's deadlines, on one timer that is moved only when it must ring sooner; and what may be
//! concluded from a deadline that is noticed late.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::clock;

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

/// Holds a deadline against a peer only if the relay looked in time.
///
/// A process that was suspended finds its deadlines past before it knows what its peers did meanwhile: epoll_wait(2)
/// comes back from a SIGCONT with EINTR and no event (signal(7)), the runtime then fires its timers, and asks for
/// events afterwards. Who did all he had to would be taken for dead.
#[derive(Debug, Default)]
pub(crate) struct SecondLook {
    until: Option<Instant>,
}

/// How late a deadline is noticed when the relay was suspended, or is too busy to know its peers.
const LATE: Duration = Duration::from_millis(100);

/// From a deadline that was noticed late until it is judged: time for ten thousand sockets to be read, at 1024 events
/// per turn of the runtime, and for a peer's retransmission.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(5);

/// Whether so much time has passed since the deadline that nobody can have looked.
pub(crate) fn is_late(deadline: Instant, now: Instant) -> bool {
    now.saturating_duration_since(deadline) > LATE
}

impl SecondLook {
    /// When the earliest deadline of a peer is to be judged: mostly as soon as it is past, but once it is noticed late,
    /// at a second look.
    pub(crate) fn judges_at(
        &mut self,
        Earliest(deadline): Earliest,
        now: Instant,
    ) -> Option<Instant> {
        match deadline {
            Some(deadline) if now >= deadline => {
                if self.until.is_none() && is_late(deadline, now) {
                    self.until = Some(now + SECOND_LOOK);
                }
            }
            Some(_) | None => self.until = None,
        }
        deadline.map(|deadline| self.until.unwrap_or(deadline))
    }
}

/// The time was up before the future was ready, and at a second look if the first came late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TimedOut;

/// Gives `future` as much time, and a second look.
///
/// # Cancel safety
/// That of `future`.
pub(crate) async fn timeout<T>(
    time: Duration,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Result<T, TimedOut> {
    let deadline = clock::now() + time;
    let mut look = SecondLook::default();
    let mut sleep = pin!(tokio::time::sleep_until(deadline.into()));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let deadline = Earliest::default().or(Some(deadline));
        let judged = look.judges_at(deadline, clock::now());
        let over = Earliest::default().or(judged);
        over.poll(sleep.as_mut(), cx).map(|()| Err(TimedOut))
    })
    .await
}

#[cfg(test)]
mod tests;
