//! The reading side of the poll loop: bytes in, events to the endpoint, pongs and closes to the writer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use relay_core::CloseCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Connection;
use crate::connection::closing::Phase;
use crate::connection::reader::Next;
use crate::connection::{Endpoint, ReadEnd, Step};
use crate::ws::{self, Event, PeerClose};

/// Reads per turn: 576 KiB, after which other connections of this thread get theirs.
const READS_PER_TURN: usize = 8;

impl<S: AsyncRead + AsyncWrite + Unpin, E: Endpoint> Connection<S, E> {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) {
        for _ in 0..READS_PER_TURN {
            if self.is_over || self.is_at_eof {
                return;
            }
            let must_wait = self.is_paused && self.closing.is_open();
            if must_wait && self.endpoint.poll_room(cx).is_pending() {
                return;
            }
            if std::mem::take(&mut self.is_paused) {
                // The answer to a ping of meanwhile may stand behind what was not read, as far away as the peer.
                self.heartbeat.heard();
            }
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
                    writer.pong(&ws::pong(payload));
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
