//! A stream that notes what is asked of it and can misbehave like a TLS session or a broken socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a [`Spy`] was asked for, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// A write that accepted so many bytes.
    Write(usize),
    /// A write that accepted nothing yet.
    Blocked,
    Flush,
    Shutdown,
}

/// How a [`Spy`] misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    None,
    /// Accepts every byte at once and passes it on only when flushed, as a TLS session may.
    HoldsBack,
    /// Says `Ok(0)` to every write.
    AcceptsNothing,
    /// Ends with an error where it should just end.
    Resets,
}

/// The test's view of a [`Spy`].
#[derive(Clone, Default, Debug)]
pub(crate) struct Traffic(Arc<Mutex<Vec<Call>>>);

impl Traffic {
    /// The calls since the last look.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock())
    }

    fn note(&self, call: Call) {
        self.0.lock().push(call);
    }
}

/// The relay's end of a connection, watched.
#[derive(Debug)]
pub(crate) struct Spy<S> {
    inner: S,
    traffic: Traffic,
    fault: Fault,
    held_back: Vec<u8>,
}

impl<S> Spy<S> {
    pub(crate) fn new(inner: S, traffic: Traffic, fault: Fault) -> Self {
        Self {
            inner,
            traffic,
            fault,
            held_back: Vec::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Spy<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before;
        Poll::Ready(if is_end && self.fault == Fault::Resets {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        })
    }
}

impl<S: AsyncWrite + Unpin> Spy<S> {
    fn pass_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held_back.is_empty() {
            let n = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.held_back))?;
            self.held_back.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Spy<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = match self.fault {
            Fault::None | Fault::Resets => Pin::new(&mut self.inner).poll_write(cx, bytes),
            Fault::HoldsBack => {
                self.held_back.extend_from_slice(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            Fault::AcceptsNothing => Poll::Ready(Ok(0)),
        };
        self.traffic.note(match &poll {
            Poll::Ready(result) => Call::Write(*result.as_ref().unwrap_or(&0)),
            Poll::Pending => Call::Blocked,
        });
        poll
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match parts {
            // A pipe of a byte would have a large frame copied for each.
            [first, ..] if first.len() > 4096 => self.poll_write(cx, first),
            _ => {
                let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
                self.poll_write(cx, &bytes)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.traffic.note(Call::Flush);
        ready!(self.pass_on(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.traffic.note(Call::Shutdown);
        ready!(self.pass_on(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
