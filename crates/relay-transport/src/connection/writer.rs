//! The writing half: one chunk or control frame at a time, whole, then a flush.
//!
//! It decides order (control frames between chunks, the close last) and notes stalls; it does not know why anything
//! is sent. A frame is never torn: whoever stops calling [`Writer::poll`] half-way has to drop the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use relay_core::{Chunk, Outbox};
use tokio::io::AsyncWrite;

use super::pongs::Pongs;
use crate::ws::Encoded;

/// What is being written or waits to be, apart from the outbox.
#[derive(Debug, Default)]
pub(super) struct Writer {
    current: Option<Current>,
    written: usize,
    pongs: Pongs,
    ping: Option<Box<Encoded>>,
    close: Option<Box<Encoded>>,
    /// The close goes out in the same write as the chunk in hand.
    is_close_joined: bool,
    close_is_out: bool,
    needs_flush: bool,
    stalled_since: Option<Instant>,
    has_progressed: bool,
}

#[derive(Debug)]
enum Current {
    Chunk(Chunk),
    Pongs(Pongs),
    Ping(Box<Encoded>),
    Close(Box<Encoded>),
}

impl Writer {
    pub(super) fn pong(&mut self, frame: &Encoded) {
        self.pongs.add(frame);
    }

    pub(super) fn ping(&mut self, frame: Encoded) {
        self.ping = Some(Box::new(frame));
    }

    /// The last frame of this connection; of two, the one that joined a chunk counts.
    pub(super) fn close(&mut self, frame: Encoded) {
        if self.is_close_joined {
            return;
        }
        self.close = Some(Box::new(frame));
        self.pongs = Pongs::default();
        self.ping = None;
    }

    /// As [`Writer::close`], together with the chunk just loaded: one write, and one wake-up of the peer, for both.
    pub(super) fn close_behind_chunk(&mut self, frame: Encoded) {
        debug_assert!(matches!(self.current, Some(Current::Chunk(_))));
        self.close(frame);
        self.is_close_joined = true;
    }

    /// Hands over the next chunk of the outbox; only while [`Writer::wants_chunk`].
    pub(super) fn load(&mut self, chunk: Chunk) {
        debug_assert!(self.wants_chunk());
        self.current = Some(Current::Chunk(chunk));
    }

    /// Whether the next chunk's turn has come: it has not while a ping or pong waits, which a peer is to see before
    /// what was queued after it.
    pub(super) fn wants_chunk(&self) -> bool {
        let has_control = !self.pongs.is_empty() || self.ping.is_some() || self.close.is_some();
        self.current.is_none() && !has_control && !self.close_is_out
    }

    /// The close frame is with the socket.
    pub(super) fn is_close_out(&self) -> bool {
        self.close_is_out && !self.needs_flush
    }

    /// Since when the peer has accepted nothing although something is to be written.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Whether a peer that had stalled took bytes since the last call: it lives.
    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.has_progressed)
    }

    /// Writes until nothing is left or the peer takes no more, and flushes: a TLS stream may hold ciphertext back
    /// after accepting every byte.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        outbox: Option<&Outbox>,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        let poll = self.poll_all(stream, cx, outbox, now);
        if poll.is_pending() {
            self.stalled_since.get_or_insert(now);
        } else {
            self.stalled_since = None;
        }
        poll
    }

    fn poll_all<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        outbox: Option<&Outbox>,
        now: Instant,
    ) -> Poll<io::Result<()>> {
        loop {
            self.pick();
            let Some(current) = &self.current else { break };
            let joined = self.close.as_deref().filter(|_| self.is_close_joined);
            let rest = joined.map_or(&[][..], Encoded::as_bytes);
            let len = current.bytes().len() + rest.len();
            while self.written < len {
                let parts = behind(self.written, current.bytes(), rest);
                let n = ready!(poll_write(stream, cx, parts))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += n;
                self.needs_flush = true;
                if let Some(since) = &mut self.stalled_since {
                    // Any progress restarts the clock, though the peer may stay behind.
                    *since = now;
                    self.has_progressed = true;
                }
            }
            self.written = 0;
            match self.current.take() {
                Some(Current::Chunk(chunk)) => {
                    if let Some(outbox) = outbox {
                        outbox.written(chunk);
                    }
                    if std::mem::take(&mut self.is_close_joined) {
                        self.close = None;
                        self.close_is_out = true;
                    }
                }
                Some(Current::Close(_)) => self.close_is_out = true,
                Some(Current::Pongs(_) | Current::Ping(_)) | None => {}
            }
        }
        if self.needs_flush {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.needs_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    fn pick(&mut self) {
        if self.current.is_none() && !self.close_is_out {
            let pongs = self.pongs.take().map(Current::Pongs);
            self.current = pongs
                .or_else(|| self.ping.take().map(Current::Ping))
                .or_else(|| self.close.take().map(Current::Close));
        }
    }

    /// Gives a half-written chunk back, when the connection ends.
    pub(super) fn abandon(&mut self, outbox: Option<&Outbox>) {
        if let (Some(Current::Chunk(chunk)), Some(outbox)) = (self.current.take(), outbox) {
            outbox.torn(chunk, self.written);
        }
    }
}

impl Current {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Chunk(chunk) => chunk.bytes(),
            Self::Pongs(pongs) => pongs.bytes(),
            Self::Ping(frame) | Self::Close(frame) => frame.as_bytes(),
        }
    }
}

/// What is left of two parts once so many bytes of them are written.
fn behind<'b>(written: usize, first: &'b [u8], second: &'b [u8]) -> [&'b [u8]; 2] {
    let of_second = written.saturating_sub(first.len());
    [&first[written.min(first.len())..], &second[of_second..]]
}

/// One write of two parts, where the stream can do that; else of the first that is left.
fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    parts: [&[u8]; 2],
) -> Poll<io::Result<usize>> {
    let stream = Pin::new(stream);
    match parts {
        [one, []] | [[], one] => stream.poll_write(cx, one),
        [one, other] => stream.poll_write_vectored(cx, &[IoSlice::new(one), IoSlice::new(other)]),
    }
}
