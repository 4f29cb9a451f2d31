//! The poll loop of one connection: carries out what the pure parts decide.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use relay_core::{Close, CloseCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::closing::{Closing, Phase};
use super::deadlines::Earliest;
use super::heartbeat::{Beat, Heartbeat};
use super::reader::{Next, Reader};
use super::writer::Writer;
use super::{ClosedBy, Ended, Endpoint, ReadEnd, Step, Timing};
use crate::clock;
use crate::scratch::ScratchPool;
use crate::ws::{self, Event, PeerClose};

/// Reads per turn: 512 KiB, after which other connections of this thread get theirs.
const READS_PER_TURN: usize = 8;

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
    timing: Timing,
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
    pub(crate) max_message_bytes: usize,
    /// Bytes that arrived behind the upgrade request.
    pub(crate) leftover: Vec<u8>,
    /// Spreads the heartbeat.
    pub(crate) seed: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin, E: Endpoint> Connection<S, E> {
    pub(crate) fn new(stream: S, endpoint: E, shape: Shape, now: Instant) -> Self {
        let Shape {
            scratch,
            timing,
            max_message_bytes,
            leftover,
            seed,
        } = shape;
        Self {
            stream,
            endpoint,
            scratch,
            reader: Reader::new(max_message_bytes, timing.message_timeout, leftover),
            writer: Writer::default(),
            heartbeat: Heartbeat::new(&timing, seed, now),
            closing: Closing::new(timing.close_timeout),
            timing,
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
                let first = tokio::time::Instant::from_std(running.0.heartbeat.deadline());
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
            let deadlines = self.deadlines();
            if !deadlines.is_past(now) && deadlines.poll(sleep.as_mut(), cx).is_pending() {
                return Poll::Pending;
            }
            // Last, since after a busy or suspended spell the peer's answer may have waited in the socket.
            self.fire_timers(now);
        }
    }

    fn deadlines(&self) -> Earliest {
        Earliest::default()
            .or(self.closing.is_open().then(|| self.heartbeat.deadline()))
            .or(self
                .reader
                .message_deadline()
                .filter(|_| self.closing.is_open()))
            .or(self.closing.deadline())
            .or(self.write_deadline())
    }

    /// When a peer that accepts nothing is given up; once only the close frame is left, its own time counts.
    fn write_deadline(&self) -> Option<Instant> {
        let stalled = self.writer.stalled_since()?;
        Some(match self.closing.sending_since() {
            Some(since) => since.max(stalled) + self.timing.close_timeout,
            None => stalled + self.timing.write_timeout,
        })
    }

    fn fire_timers(&mut self, now: Instant) {
        if self.is_paused {
            // Silence that we made ourselves is no sign of death.
            self.heartbeat.heard();
        }
        if self.closing.is_open() {
            match self.heartbeat.poll(now) {
                Beat::Nothing => {}
                Beat::Ping => self.send_ping(),
                Beat::Dead => self.close(Close::heartbeat_timeout(), now),
            }
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

    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) {
        for _ in 0..READS_PER_TURN {
            if self.is_over || self.is_at_eof {
                return;
            }
            let must_wait = self.is_paused && self.closing.is_open();
            if must_wait && self.endpoint.poll_room(cx).is_pending() {
                return;
            }
            self.is_paused = false;
            if let Some(mut carry) = self.reader.take_carry() {
                self.feed(&mut carry, now);
                continue;
            }
            let mut scratch = self.scratch.take();
            let mut buf = ReadBuf::new(&mut scratch);
            let poll = Pin::new(&mut self.stream).poll_read(cx, &mut buf);
            let filled = buf.filled().len();
            match poll {
                Poll::Pending => {
                    self.scratch.put(scratch);
                    return;
                }
                Poll::Ready(Ok(())) if filled > 0 => {
                    self.heartbeat.heard();
                    self.endpoint.heard();
                    self.feed(&mut scratch[..filled], now);
                }
                Poll::Ready(result) => {
                    let end = match result {
                        Ok(()) => ReadEnd::Eof,
                        Err(error) => ReadEnd::Io(error),
                    };
                    self.end_of_stream(end);
                }
            }
            self.scratch.put(scratch);
        }
        cx.waker().wake_by_ref();
    }

    fn feed(&mut self, bytes: &mut [u8], now: Instant) {
        if !self.closing.is_decodable() {
            return;
        }
        let Self {
            reader,
            endpoint,
            writer,
            closing,
            is_paused,
            ..
        } = self;
        let mut close = None;
        let mut echo = None;
        let fed = reader.feed(bytes, now, |event| match event {
            Event::Message(message) if closing.is_open() && close.is_none() => {
                match endpoint.message(message, now) {
                    Step::Continue => return Next::Decode,
                    Step::Pause => {
                        *is_paused = true;
                        return Next::Keep;
                    }
                    Step::Close(ordered) => close = Some(ordered),
                }
                Next::Decode
            }
            Event::Message(_) | Event::Pong(_) => Next::Decode,
            Event::Ping(payload) => {
                if closing.answers_pings() {
                    writer.pong(ws::pong(payload));
                }
                Next::Decode
            }
            Event::Close(theirs) => {
                echo = Some((status_of(theirs), echo_of(theirs)));
                Next::Discard
            }
        });
        if let Some(close) = close {
            self.close(close, now);
        }
        if let Some((code, echo)) = echo {
            self.peer_closed(code, echo, now);
        }
        if let Err(violation) = fed {
            self.read_end.get_or_insert(ReadEnd::Violation(violation));
            self.offend(violation.close_code(), violation.reason(), now);
        }
    }

    fn end_of_stream(&mut self, end: ReadEnd) {
        let is_error = matches!(end, ReadEnd::Io(_));
        self.read_end.get_or_insert(end);
        self.is_at_eof = true;
        // A peer that only shut its own half can still read the close that is on its way.
        self.is_over = is_error
            || match self.closing.phase() {
                Phase::Open => !self.has_order(),
                Phase::Awaiting { .. } | Phase::Lingering { .. } => true,
                Phase::Flushing { .. } | Phase::Finishing { .. } | Phase::Sending { .. } => false,
            };
    }

    /// Whether a close was ordered, be it that it was not taken up yet.
    fn has_order(&self) -> bool {
        self.endpoint
            .outbox()
            .is_some_and(|outbox| outbox.close_order().is_some())
    }

    fn peer_closed(&mut self, code: u16, echo: ws::Encoded, now: Instant) {
        let was_open = self.closing.is_open();
        self.read_end.get_or_insert(ReadEnd::PeerClosed(code));
        if self.closing.peer_closed(code, now) {
            self.writer.close(echo);
        }
        if was_open {
            self.endpoint.closing(ClosedBy::Peer(code), now);
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

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) {
        while !self.is_over {
            let wanted_chunk = self.writer.wants_chunk();
            let has_chunk = self.take_work(cx, now);
            let outbox = self.endpoint.outbox();
            let poll = self.writer.poll(&mut self.stream, cx, outbox, now);
            if self.writer.take_progress() {
                self.heartbeat.heard();
            }
            match poll {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.read_end.get_or_insert(ReadEnd::WriteFailed(error));
                    self.is_over = true;
                    return;
                }
            }
            if self.writer.is_close_out() {
                self.wants_shutdown |= self.closing.close_sent(now);
                self.is_over |= self.is_at_eof;
            }
            if self.wants_shutdown {
                self.shut_down(cx);
            }
            if !has_chunk && (wanted_chunk || !self.writer.wants_chunk()) {
                return;
            }
        }
    }

    /// Takes orders and, if the writer wants one, the next chunk. True when there was one.
    fn take_work(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut has_chunk = false;
        if let Some(outbox) = self.endpoint.outbox() {
            let work = outbox.take(cx.waker(), self.writer.wants_chunk());
            if let Some(chunk) = work.chunk {
                self.writer.load(chunk);
                has_chunk = true;
            }
            if work.cut {
                self.read_end.get_or_insert(ReadEnd::Cut);
                self.is_over = true;
            }
            if work.ping && self.closing.is_open() {
                self.send_ping();
            }
            if let Some(close) = work.close {
                self.begin_close(close, now);
            }
        }
        if self.writer.wants_chunk()
            && let Some(close) = self.closing.queue_done(now)
        {
            let code = Some(close.code).filter(|code| *code != CloseCode::NO_STATUS);
            let frame = ws::close_frame(code.map(CloseCode::get), close.reason);
            self.writer.close(frame);
        }
        has_chunk
    }

    fn send_ping(&mut self) {
        let payload = self.heartbeat.next_payload();
        self.writer.ping(ws::ping(payload.as_bytes()));
    }

    fn shut_down(&mut self, cx: &mut Context<'_>) {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.wants_shutdown = false,
            Poll::Ready(Err(_gone)) => self.is_over = true,
        }
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

fn status_of(close: PeerClose<'_>) -> u16 {
    match close {
        PeerClose::NoStatus => CloseCode::NO_STATUS.get(),
        PeerClose::Status { code, .. } => code,
    }
}

fn echo_of(close: PeerClose<'_>) -> ws::Encoded {
    match close {
        PeerClose::NoStatus => ws::close_frame(None, ""),
        PeerClose::Status { code, reason } => ws::close_frame(Some(code), reason),
    }
}
