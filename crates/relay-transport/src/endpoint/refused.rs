//! A peer that was not let in: it gets its close, and the time to read it.

use std::task::{Context, Poll};
use std::time::Instant;

use relay_core::{Close, Outbox};

use super::{Arrived, connection};
use crate::clock;
use crate::connection::{ClosedBy, Endpoint, Step};
use crate::stats::CloseCounters;
use crate::ws::Message;

struct Refused;

/// Closes a connection that never became a member, handshake and all.
pub(super) async fn refuse(arrived: Arrived, close: Close, closes: &CloseCounters) {
    let Arrived {
        shared,
        stream,
        leftover,
        _slot,
        ..
    } = arrived;
    let timeout = shared.config.close_timeout;
    let closing = {
        let mut connection = connection(&shared, stream, leftover, timeout, Refused);
        connection.close(close, clock::now());
        connection
    };
    let (_, ended) = closing.run().await;
    closes.step(&ended);
}

impl Endpoint for Refused {
    fn outbox(&self) -> Option<&Outbox> {
        None
    }

    fn message(&mut self, _: Message<'_>, _: Instant) -> Step {
        Step::Continue
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn heard(&mut self) {}

    fn closing(&mut self, _: ClosedBy, _: Instant) {}

    fn answered(&mut self, _: Close, _: u16) {}
}
