//! A peer's end of a WebSocket: writes what it is told to, tells what it reads, and does nothing of its own accord.

pub(crate) mod frames;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::random::Random;
use crate::wire::End;
use frames::Frame;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) end: End,
    random: Random,
    out: Vec<u8>,
    written: usize,
    queued: u64,
    inbound: Vec<u8>,
    is_upgraded: bool,
    /// Neither reads nor writes.
    pub(crate) is_stalled: bool,
    is_broken: bool,
}

/// What a peer notices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    Status(u16),
    Frame(Frame),
    End(Ending),
    /// The relay said what no server may say.
    Nonsense(String),
}

/// How the relay's side of a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Ending {
    Eof,
    /// The end of the stream within a frame.
    Torn,
    Reset,
}

impl Peer {
    pub(crate) fn new(end: End, random: Random) -> Self {
        Self {
            end,
            random,
            out: Vec::new(),
            written: 0,
            queued: 0,
            inbound: Vec::new(),
            is_upgraded: false,
            is_stalled: false,
            is_broken: false,
        }
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.queued += bytes.len() as u64;
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) {
        let frame = frames::encode(first, payload, &mut self.random);
        self.send_raw(&frame);
    }

    /// Bytes handed over to be written, since the connection began.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// Whether everything handed over is written, or never will be.
    pub(crate) fn is_flushed(&self) -> bool {
        self.is_broken || self.written == self.out.len()
    }

    /// The next thing that happens; writes meanwhile.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn next(&mut self) -> Heard {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Writes what is left, reading nothing.
    pub(crate) async fn flush(&mut self) {
        poll_fn(|cx| {
            self.poll_write(cx);
            if self.is_flushed() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while !self.is_flushed() {
            match Pin::new(&mut self.end).poll_write(cx, &self.out[self.written..]) {
                Poll::Pending => return,
                Poll::Ready(Ok(n)) => self.written += n,
                Poll::Ready(Err(_)) => self.is_broken = true,
            }
        }
        self.out.clear();
        self.written = 0;
        // What this end writes is never held back, so there is nothing to flush.
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Heard> {
        if self.is_stalled {
            return Poll::Pending;
        }
        self.poll_write(cx);
        loop {
            if let Some(heard) = self.parse() {
                return Poll::Ready(heard);
            }
            let mut bytes = [0; 2048];
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.end).poll_read(cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                    let ending = if self.inbound.is_empty() {
                        Ending::Eof
                    } else {
                        Ending::Torn
                    };
                    return Poll::Ready(Heard::End(ending));
                }
                Poll::Ready(Ok(())) => self.inbound.extend_from_slice(buf.filled()),
                Poll::Ready(Err(_)) => return Poll::Ready(Heard::End(Ending::Reset)),
            }
        }
    }

    fn parse(&mut self) -> Option<Heard> {
        if !self.is_upgraded {
            let end = self.inbound.windows(4).position(|end| end == b"\r\n\r\n")?;
            let head: Vec<u8> = self.inbound.drain(..end + 4).collect();
            self.is_upgraded = true;
            let status = String::from_utf8_lossy(&head);
            let status = status
                .strip_prefix("HTTP/1.1 ")
                .and_then(|rest| rest.get(..3)?.parse().ok());
            return Some(status.map_or_else(
                || Heard::Nonsense("an answer without a status".to_owned()),
                Heard::Status,
            ));
        }
        match frames::decode(&self.inbound) {
            Ok(None) => None,
            Ok(Some((frame, len))) => {
                self.inbound.drain(..len);
                Some(Heard::Frame(frame))
            }
            Err(what) => Some(Heard::Nonsense(what)),
        }
    }
}
