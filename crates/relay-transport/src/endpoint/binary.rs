//! `/v1/server`: a daemon's leg. Reads envelopes and never waits for a phone.

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use relay_core::envelope::{self, Envelope};
use relay_core::{Binary, Cause, Close, CloseCode, Delivery, Outbox, WakeSink};
use tracing::{info, warn};

use super::probe::{self, Claimed, Declined};
use super::refused::refuse;
use super::{Arrival, Arrived, connection};
use crate::clock;
use crate::connection::{ClosedBy, Ended, Endpoint, Step};
use crate::log::{Warn, WarnLimit, clip};
use crate::ws::Message;

struct BinaryEndpoint {
    binary: Binary,
    /// Tells this connection from others under its server-id, in logs.
    unique: u32,
    wakes: Arc<dyn WakeSink>,
    warnings: WarnLimit,
}

/// Runs one binary's connection.
pub(crate) async fn serve(arrival: Arrival) {
    let Some(mut arrived) = arrival.arrive().await else {
        return;
    };
    let shared = Arc::clone(&arrived.shared);
    let server_id = arrived.server_id.clone();
    let claim = probe::claim(&shared, &server_id, arrived.origin);
    let claim = tokio::select! {
        biased;
        claim = claim => claim,
        // A claimant that is gone must not displace anybody.
        () = arrived.stream.ended(&mut arrived.leftover) => return,
    };
    let counters = &shared.counters.binary;
    let closes = &counters.closes;
    match claim {
        Ok(claimed) => run(arrived, claimed).await,
        Err(Declined::Held) => {
            let remote = arrived.origin;
            let close = Close::refused(CloseCode::SERVER_IN_USE, "server-id already claimed");
            refuse(arrived, close, closes).await;
            counters.server_in_use.step();
            info!(server_id = %clip(server_id.as_bytes()), %remote, "server_id_conflict");
        }
        Err(Declined::Draining) => refuse(arrived, Close::drain(Duration::ZERO), closes).await,
    }
}

async fn run(arrived: Arrived, claimed: Claimed) {
    let Arrived {
        shared,
        server_id,
        origin: remote,
        label,
        stream,
        leftover,
        _slot,
    } = arrived;
    {
        let server_id = clip(server_id.as_bytes());
        if claimed.took_over {
            shared.counters.takeovers.step();
            info!(%server_id, %remote, "server_id_takeover");
        }
        shared.counters.binary.accepted.step();
        info!(%server_id, binary_version = label, %remote, "server_claimed");
    }
    // The registry has the one, a log line has had the other: a connection lives long, and there are many.
    drop((server_id, label));
    let endpoint = BinaryEndpoint::new(claimed.binary, Arc::clone(&shared.wakes));
    let timeout = shared.config.binary_write_timeout;
    let connection = connection(&shared, stream, leftover, timeout, endpoint);
    let (mut endpoint, ended) = connection.run().await;
    shared.counters.binary.closes.step(&ended);
    endpoint.ended(&ended);
}

impl BinaryEndpoint {
    fn new(binary: Binary, wakes: Arc<dyn WakeSink>) -> Self {
        Self {
            binary,
            unique: getrandom::u32().unwrap_or_default(),
            wakes,
            warnings: WarnLimit::default(),
        }
    }

    /// For logs only, and made when one needs it; the wire never shows it.
    fn binary_conn_id(&self) -> String {
        let server_id = clip(self.binary.server_id().as_bytes());
        format!("server-{server_id}-{:08x}", self.unique)
    }

    fn ended(&mut self, ended: &Ended) {
        if ended.is_clean() {
            self.binary.closed_cleanly();
        }
        let server_id = clip(self.binary.server_id().as_bytes());
        if self.warnings.suppressed() > 0 {
            let suppressed = self.warnings.suppressed();
            warn!(%server_id, binary_conn_id = self.binary_conn_id(), suppressed, "binary_forwarder_warnings_suppressed");
        }
        if let Some(err) = &ended.read_end {
            info!(%server_id, binary_conn_id = self.binary_conn_id(), %err, "binary_forwarder_read_end");
        }
        let server_id = server_id.into_owned();
        self.binary.leave(clock::now());
        info!(server_id, "server_released");
    }

    fn deliver(&mut self, conn_id: &str, frame: Option<&[u8]>, code: Option<u16>, now: Instant) {
        match self.binary.deliver(conn_id, frame, code) {
            Delivery::Queued | Delivery::BacklogFull => {}
            Delivery::InvalidCloseCode => self.warn(now, |server_id, _, suppressed| {
                let close_code = code;
                warn!(
                    server_id,
                    conn_id, close_code, suppressed, "binary_forwarder_invalid_close_code"
                );
            }),
            Delivery::UnknownPhone => self.warn(now, |server_id, _, suppressed| {
                let conn_id = clip(conn_id.as_bytes());
                warn!(server_id, %conn_id, suppressed, "binary_forwarder_unknown_conn_id");
            }),
            Delivery::PhoneClosing => self.warn(now, |server_id, _, suppressed| {
                let err = "relay: phone outbox closed";
                info!(
                    server_id,
                    conn_id, err, suppressed, "binary_forwarder_phone_enqueue_failed"
                );
            }),
        }
    }

    fn malformed(&mut self, err: impl Display, now: Instant) {
        self.warn(now, |server_id, binary_conn_id, suppressed| {
            warn!(server_id, binary_conn_id, %err, suppressed, "binary_forwarder_unmarshal_err");
        });
    }

    fn wake(&mut self, request: &[u8], now: Instant) {
        if let Err(err) = self.wakes.wake(self.binary.server_id(), request) {
            self.warn(now, |server_id, binary_conn_id, suppressed| {
                warn!(server_id, binary_conn_id, %err, suppressed, "binary_forwarder_push_wake_dropped");
            });
        }
    }

    /// One line for what this binary did wrong, unless it did too much of it lately.
    fn warn(&mut self, now: Instant, write: impl FnOnce(&str, &str, Option<u64>)) {
        if let Warn::Write { suppressed } = self.warnings.admit(now) {
            let server_id = clip(self.binary.server_id().as_bytes());
            write(&server_id, &self.binary_conn_id(), suppressed);
        }
    }
}

impl Endpoint for BinaryEndpoint {
    fn outbox(&self) -> Option<&Outbox> {
        Some(self.binary.outbox())
    }

    fn message(&mut self, message: Message<'_>, now: Instant) -> Step {
        let parsed = match message {
            Message::Text(text) => envelope::parse_str(text),
            Message::Binary(bytes) => envelope::parse(bytes),
        };
        match parsed {
            Ok(Envelope::Deliver {
                conn_id,
                frame,
                close_code,
            }) => self.deliver(&conn_id, frame, close_code, now),
            Ok(Envelope::Wake(request)) => self.wake(request, now),
            Err(error) => self.malformed(error, now),
        }
        Step::Continue
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn heard(&mut self) {
        self.binary.heard();
    }

    /// A daemon that reconnects at once must not find itself holding the server-id still. In a drain nobody can
    /// claim, and the queue is still to be flushed.
    fn closing(&mut self, by: ClosedBy, now: Instant) {
        let is_drain = matches!(by, ClosedBy::Relay(close) if close.cause == Cause::Drain);
        if !is_drain {
            self.binary.leave(now);
        }
    }

    fn answered(&mut self, _: Close, _: u16) {}
}
