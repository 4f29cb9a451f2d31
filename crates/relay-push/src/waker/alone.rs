//! One wake in a queue of its own, for fuzz targets: how a reply ends it, or until when it waits for another attempt.

use std::time::Instant;

use relay_core::{ServerId, WakeToken};

use super::queue::{Queue, Step};
use super::wake::Request;
use crate::config::Config;
use crate::error::SendError;
use crate::fcm::MessageId;
use crate::stats::Outcome;

/// What became of the wake.
pub(crate) enum Settled {
    /// It is over, and this is what its log line says.
    Ended(Outcome, String),
    /// It is tried again then.
    Waits(Instant),
}

/// Sends a wake that was asked for at `now` and is answered at once; `None` if it was not even sent.
pub(crate) fn settle(
    token: &WakeToken,
    result: Result<Option<MessageId>, SendError>,
    now: Instant,
) -> Option<Settled> {
    let mut queue = Queue::new(&Config::default(), 0);
    let request = Request::new(&ServerId::new(b"6f1c".as_slice()), token.clone());
    queue.admit(request, now).ok()?;
    let Step::Send(wake) = queue.next(now) else {
        return None;
    };
    if let Some(ended) = queue.settle(wake, result, now) {
        return Some(Settled::Ended(ended.outcome(), ended.end().to_string()));
    }
    match queue.next(now) {
        Step::Wait(Some(due)) => Some(Settled::Waits(due)),
        Step::Wait(None) | Step::Send(_) | Step::End(_) => None,
    }
}
