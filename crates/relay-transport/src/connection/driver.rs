//! The poll loop of one connection: carries out what the pure parts decide.

mod reading;
mod writing;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use relay_core::{Close, CloseCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use super::closing::Closing;
use super::heartbeat::Heartbeat;
use super::reader::Reader;
use super::writer::Writer;
use super::{ClosedBy, Ended, Endpoint, ReadEnd, Timing};
use crate::clock;
use crate::deadlines::{Earliest, SecondLook};
use crate::scratch::ScratchPool;
use crate::ws;

/// One WebSocket connection.
#[derive(Debug)]
pub(crate) struct Connection<S, E> {
    stream: S,
    endpoint: E,
    scratch: Arc<ScratchPool>,
    reader: Reader,
    writer: Writer,
    heartbeat: Heartbeat,
    closing: Closing,
    /// The other times of [`Timing`] are with whoever needs them: all five once more would be 80 bytes of each task.
    write_timeout: Duration,
    second_look: SecondLook,
    is_paused: bool,
    is_at_eof: bool,
    wants_shutdown: bool,
    read_end: Option<ReadEnd>,
    is_over: bool,
}

/// What a connection is made from, besides stream and endpoint.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) scratch: Arc<ScratchPool>,
    pub(crate) timing: Timing,
    pub(crate) bounds: ws::Bounds,
    /// Bytes that arrived behind the upgrade request.
    pub(crate) leftover: Vec<u8>,
    /// Spreads the heartbeat.
    pub(crate) seed: u32,
    /// From when heartbeats are counted; the same for all connections that shall be woken together.
    pub(crate) epoch: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin, E: Endpoint> Connection<S, E> {
    pub(crate) fn new(stream: S, endpoint: E, shape: Shape, now: Instant) -> Self {
        let Shape {
            scratch,
            timing,
            bounds,
            leftover,
            seed,
            epoch,
        } = shape;
        Self {
            stream,
            endpoint,
            scratch,
            reader: Reader::new(bounds, timing.message_timeout, leftover),
            writer: Writer::default(),
            heartbeat: Heartbeat::new(&timing, seed, epoch, now),
            closing: Closing::new(timing.close_timeout),
            write_timeout: timing.write_timeout,
            second_look: SecondLook::default(),
            is_paused: false,
            is_at_eof: false,
            wants_shutdown: false,
            read_end: None,
            is_over: false,
        }
    }

    /// Orders a close. The outbox decides which of several orders is the first.
    pub(crate) fn close(&mut self, close: Close, now: Instant) {
        let first = match self.endpoint.outbox() {
            Some(outbox) => {
                outbox.close(close);
                outbox.close_order().unwrap_or(close)
            }
            None => close,
        };
        self.begin_close(first, now);
    }

    /// Runs the connection to its end and gives the endpoint back.
    ///
    /// # Drop
    /// Drops the socket where it stands, without a close frame.
    #[expect(
        clippy::manual_async_fn,
        reason = "a block keeps what it captures once, an `async fn` its argument twice: 576 bytes per leg"
    )]
    pub(crate) fn run(mut self) -> impl Future<Output = (E, Ended)> {
        async move {
            {
                let running = Running(&mut self);
                let first = tokio::time::Instant::from_std(running.0.heartbeat.next_ping());
                let mut sleep = pin!(tokio::time::sleep_until(first));
                poll_fn(|cx| running.0.poll(cx, sleep.as_mut())).await;
            }
            let ended = Ended {
                read_end: self.read_end,
                close: self.closing.order(),
                peer_status: self.closing.by_peer(),
                close_written: self.writer.is_close_out(),
            };
            (self.endpoint, ended)
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut sleep: Pin<&mut Sleep>) -> Poll<()> {
        loop {
            let now = clock::now();
            self.poll_read(cx, now);
            self.poll_write(cx, now);
            if self.is_over {
                return Poll::Ready(());
            }
            if self.is_paused {
                // Silence that we made ourselves is no sign of death.
                self.heartbeat.heard();
            }
            let fatal = self.fatal_deadline(now);
            let deadlines = Earliest::default()
                .or(self.closing.is_open().then(|| self.heartbeat.next_ping()))
                .or(fatal);
            if !deadlines.is_past(now) && deadlines.poll(sleep.as_mut(), cx).is_pending() {
                return Poll::Pending;
            }
            // Last, since after a busy or suspended spell the peer's answer may have waited in the socket.
            if self.closing.is_open() && self.heartbeat.is_ping_due(now) {
                self.send_ping();
            }
            if fatal.is_some_and(|at| now >= at) {
                self.judge(now);
            }
        }
    }

    /// When the peer is to be judged by the earliest of its deadlines.
    fn fatal_deadline(&mut self, now: Instant) -> Option<Instant> {
        let while_open = self.closing.is_open();
        let deadline = Earliest::default()
            .or(self.heartbeat.dead_at().filter(|_| while_open))
            .or(self.reader.message_deadline().filter(|_| while_open))
            .or(self.closing.deadline())
            .or(self.write_deadline());
        self.second_look.judges_at(deadline, now)
    }

    /// When a peer that accepts nothing is given up; once the queue is done or given up and only the close frame is
    /// left, its own time counts.
    fn write_deadline(&self) -> Option<Instant> {
        let stalled = self.writer.stalled_since()?;
        Some(match self.closing.sending_since() {
            Some(since) => since.max(stalled) + self.closing.timeout(),
            None => stalled + self.write_timeout,
        })
    }

    fn judge(&mut self, now: Instant) {
        if self.closing.is_open() && self.heartbeat.dead_at().is_some_and(|at| now >= at) {
            self.close(Close::heartbeat_timeout(), now);
        }
        let is_message_late = self.reader.message_deadline().is_some_and(|at| now >= at);
        if is_message_late && self.closing.is_open() {
            self.read_end.get_or_insert(ReadEnd::MessageTimeout);
            self.offend(1008, "message timeout", now);
        }
        if self.closing.flush_over(now)
            && let Some(outbox) = self.endpoint.outbox()
        {
            outbox.drop_queued();
        }
        if self.write_deadline().is_some_and(|at| now >= at) {
            self.read_end.get_or_insert(ReadEnd::WriteTimeout);
            self.is_over = true;
        }
        if self.closing.is_over(now) {
            self.is_over = true;
        }
    }

    fn peer_closed(&mut self, code: u16, echo: ws::Encoded, now: Instant) {
        let was_open = self.closing.is_open();
        self.read_end.get_or_insert(ReadEnd::PeerClosed(code));
        if self.closing.peer_closed(code, now) {
            self.writer.close(echo);
        }
        if was_open {
            self.endpoint.closing(ClosedBy::Peer(code), now);
        } else if let Some(close) = self.closing.order() {
            self.endpoint.answered(close, code);
        }
    }

    fn offend(&mut self, code: u16, reason: &'static str, now: Instant) {
        let code = CloseCode::new(code).unwrap_or(CloseCode::INTERNAL);
        self.closing.deafen();
        self.close(Close::violation(code, reason), now);
    }

    fn begin_close(&mut self, close: Close, now: Instant) {
        let was_open = self.closing.is_open();
        self.closing.ordered(close, now);
        if was_open {
            self.endpoint.closing(ClosedBy::Relay(close), now);
        }
    }

    fn send_ping(&mut self) {
        let payload = self.heartbeat.next_payload();
        self.writer.ping(ws::ping(payload.as_bytes()));
    }
}

/// A connection while it runs: however that ends, the chunk in hand is accounted for.
struct Running<'a, S, E: Endpoint>(&'a mut Connection<S, E>);

impl<S, E: Endpoint> Drop for Running<'_, S, E> {
    fn drop(&mut self) {
        let Connection {
            writer, endpoint, ..
        } = &mut *self.0;
        writer.abandon(endpoint.outbox());
    }
}
