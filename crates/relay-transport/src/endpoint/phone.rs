//! `/v1/client`: a phone's leg. Checks that a frame is JSON and passes it on; a bad one ends its sender only.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use relay_core::envelope;
use relay_core::{
    Cause, Close, CloseCode, Departure, ForwardError, Forwarded, JoinError, Outbox, Phone,
};
use tracing::{error, info, warn};

use super::refused::refuse;
use super::{Arrival, Arrived, connection};
use crate::clock;
use crate::connection::{ClosedBy, Ended, Endpoint, ReadEnd, Step, notice_code};
use crate::log::clip;
use crate::ws::Message;

struct PhoneEndpoint {
    phone: Phone,
    close_timeout: Duration,
}

/// Runs one phone's connection.
pub(crate) async fn serve(arrival: Arrival) {
    let Some(arrived) = arrival.arrive().await else {
        return;
    };
    let shared = Arc::clone(&arrived.shared);
    let refusal = match shared.registry.join(&arrived.server_id, clock::now()) {
        Ok(phone) => return run(arrived, phone).await,
        Err(refusal) => refusal,
    };
    let server_id = arrived.server_id.clone();
    let remote = arrived.origin;
    let counters = &shared.counters.phone;
    let closes = &counters.closes;
    match refusal {
        JoinError::NoServer => {
            let close = Close::refused(CloseCode::NO_SERVER, "no server with that id");
            refuse(arrived, close, closes).await;
            counters.no_server.step();
            info!(server_id = %clip(server_id.as_bytes()), %remote, "phone_register_no_server");
        }
        JoinError::AtCap => {
            let reason = "too many phones for server-id";
            let close = Close::refused(CloseCode::TOO_MANY_PHONES, reason);
            refuse(arrived, close, closes).await;
            counters.too_many_phones.step();
            info!(server_id = %clip(server_id.as_bytes()), %remote, "phone_register_at_cap");
        }
        JoinError::Draining => refuse(arrived, Close::drain(Duration::ZERO), closes).await,
        err @ (JoinError::Randomness(_) | _) => {
            error!(server_id = %clip(server_id.as_bytes()), %remote, %err, "phone_register_failed");
            let close = Close::refused(CloseCode::INTERNAL, "internal error");
            refuse(arrived, close, closes).await;
        }
    }
}

async fn run(arrived: Arrived, phone: Phone) {
    let Arrived {
        shared,
        origin: remote,
        label,
        stream,
        leftover,
        _slot,
        server_id,
    } = arrived;
    shared.counters.phone.accepted.step();
    {
        let server_id = clip(server_id.as_bytes());
        info!(%server_id, conn_id = %phone.conn_id(), device_name = label, %remote, "phone_registered");
    }
    // The registry has the one, a log line has had the other: a connection lives long, and there are many.
    drop((server_id, label));
    let endpoint = PhoneEndpoint {
        phone,
        close_timeout: shared.config.close_timeout,
    };
    let timeout = shared.config.phone_write_timeout;
    let connection = connection(&shared, stream, leftover, timeout, endpoint);
    let (mut endpoint, ended) = connection.run().await;
    shared.counters.phone.closes.step(&ended);
    endpoint.ended(&ended);
}

impl PhoneEndpoint {
    fn ended(&mut self, ended: &Ended) {
        if ended.is_clean() {
            self.phone.closed_cleanly();
        }
        self.log_end(ended);
        self.leave(ended.notice_code());
        let server_id = clip(self.phone.server_id().as_bytes());
        info!(%server_id, conn_id = %self.phone.conn_id(), "phone_unregistered");
    }

    fn leave(&mut self, code: Option<u16>) {
        if self.phone.leave(code) == Departure::NoticeLost {
            let server_id = clip(self.phone.server_id().as_bytes());
            let close_code = code.unwrap_or(CloseCode::GOING_AWAY.get());
            let err = "relay: binary connection is gone";
            info!(%server_id, conn_id = %self.phone.conn_id(), close_code, err, "phone_close_notice_send_failed");
        }
    }

    fn log_end(&self, ended: &Ended) {
        let server_id = clip(self.phone.server_id().as_bytes());
        let conn_id = self.phone.conn_id();
        let directive = ended
            .close
            .filter(|close| matches!(close.cause, Cause::Directive | Cause::InvalidDirective));
        if let (Some(close), true) = (directive, ended.close_written) {
            info!(%server_id, %conn_id, close_code = close.code.get(), "binary_forwarder_phone_closed");
        }
        let Some(err) = &ended.read_end else { return };
        match (err, directive) {
            (ReadEnd::WriteTimeout | ReadEnd::WriteFailed(_), Some(close)) => {
                let close_code = close.code.get();
                info!(%server_id, %conn_id, close_code, %err, "binary_forwarder_close_frame_send_failed");
            }
            (ReadEnd::WriteTimeout | ReadEnd::WriteFailed(_), None) => {
                info!(%server_id, %conn_id, %err, "binary_forwarder_phone_send_failed");
            }
            _ => info!(%server_id, %conn_id, %err, "phone_forwarder_read_end"),
        }
    }

    fn not_json(&self, err: impl std::fmt::Display) -> Step {
        let server_id = clip(self.phone.server_id().as_bytes());
        warn!(%server_id, conn_id = %self.phone.conn_id(), %err, "phone_forwarder_marshal_err");
        Step::Close(Close::not_json(self.close_timeout))
    }

    /// Behind a close a frame is discarded. It is told only where nobody holds its server-id any more, and as the
    /// close is taken up here, once.
    fn too_late(&self) -> Step {
        match self.phone.outbox().close_order() {
            Some(close) if close.cause == Cause::GraceExpired => {
                let server_id = clip(self.phone.server_id().as_bytes());
                info!(%server_id, conn_id = %self.phone.conn_id(), "phone_forwarder_no_binary");
                Step::Close(close)
            }
            _ => Step::Continue,
        }
    }
}

impl Endpoint for PhoneEndpoint {
    fn outbox(&self) -> Option<&Outbox> {
        Some(self.phone.outbox())
    }

    fn message(&mut self, message: Message<'_>, _: Instant) -> Step {
        let (checked, frame) = match message {
            Message::Text(text) => (envelope::check_frame_str(text), text.as_bytes()),
            Message::Binary(bytes) => (envelope::check_frame(bytes), bytes),
        };
        if let Err(err) = checked {
            return self.not_json(err);
        }
        match self.phone.forward(frame) {
            Ok(Forwarded::Room) => Step::Continue,
            Ok(Forwarded::Full) => Step::Pause,
            Err(ForwardError::Closing) => self.too_late(),
            Err(err) => {
                let server_id = clip(self.phone.server_id().as_bytes());
                info!(%server_id, conn_id = %self.phone.conn_id(), %err, "phone_forwarder_send_failed");
                Step::Close(Close::no_binary(self.close_timeout))
            }
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.phone.poll_room(cx)
    }

    fn heard(&mut self) {}

    /// The binary is told of a phone's own close at once; of the relay's only when it is known whether the phone
    /// returned it.
    fn closing(&mut self, by: ClosedBy, _: Instant) {
        match by {
            ClosedBy::Peer(code) => self.leave(Some(code)),
            ClosedBy::Relay(close) if close.cause == Cause::BacklogFull => {
                let server_id = clip(self.phone.server_id().as_bytes());
                let err = "relay: phone delivery backlog full";
                info!(%server_id, conn_id = %self.phone.conn_id(), err, "binary_forwarder_phone_enqueue_failed");
            }
            ClosedBy::Relay(_) => {}
        }
    }

    /// Its place and its notice need not wait for its end of the stream.
    fn answered(&mut self, close: Close, code: u16) {
        self.leave(notice_code(Some(close), Some(code)));
    }
}
