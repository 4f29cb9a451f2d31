//! The byte stream under a WebSocket: a bare TCP socket where we can have it, anything else behind one box.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::accept::Io;
use crate::http1::Watched;

/// What a WebSocket connection reads and writes.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Other(Box<dyn Io>),
}

impl Stream {
    /// Takes the socket back out of hyper, with the bytes hyper had read beyond the request.
    pub(crate) fn from_upgraded(upgraded: Upgraded) -> (Self, Vec<u8>) {
        taken_back::<Watched<TcpStream>>(upgraded, |watched| Self::Tcp(watched.into_inner()))
            .or_else(|upgraded| {
                taken_back::<Watched<Box<dyn Io>>>(upgraded, |watched| {
                    Self::Other(watched.into_inner())
                })
            })
            .or_else(|upgraded| taken_back::<TcpStream>(upgraded, Self::of_embedder))
            // Somebody else's server: its stream stays in hyper's wrapping, read buffer and all.
            .unwrap_or_else(|upgraded| (Self::Other(Box::new(TokioIo::new(upgraded))), Vec::new()))
    }

    /// Our own listener's were tuned when they were accepted.
    fn of_embedder(tcp: TcpStream) -> Self {
        tune(&tcp);
        Self::Tcp(tcp)
    }
}

fn taken_back<T: Io + 'static>(
    upgraded: Upgraded,
    stream: impl FnOnce(T) -> Stream,
) -> Result<(Stream, Vec<u8>), Upgraded> {
    let parts = upgraded.downcast::<TokioIo<T>>()?;
    // Copied, since even an empty `Bytes` would pin hyper's read block.
    Ok((stream(parts.io.into_inner()), parts.read_buf.to_vec()))
}

/// How far to read ahead of a peer whose frames nobody handles yet; past this its TCP window fills.
const MAX_READ_AHEAD: usize = 16 << 10;

impl Stream {
    /// Resolves when the peer ends its half or resets; what it sends before that is appended to `ahead`.
    ///
    /// # Cancel safety
    /// Nothing that was read is lost.
    pub(crate) async fn ended(&mut self, ahead: &mut Vec<u8>) {
        poll_fn(|cx| {
            while ahead.len() < MAX_READ_AHEAD {
                let mut bytes = [0; 2048];
                let mut buf = ReadBuf::new(&mut bytes);
                match Pin::new(&mut *self).poll_read(cx, &mut buf) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                        ahead.extend_from_slice(buf.filled());
                    }
                    Poll::Ready(_) => return Poll::Ready(()),
                }
            }
            Poll::Pending
        })
        .await;
    }
}

/// Bytes that the kernel may hold unsent: one chunk of an outbox on its way and one behind it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MAX_UNSENT: u32 = 128 << 10;

/// Left alone, Linux takes in up to 4 MiB for a peer that reads slowly and reports no progress until it has taken a
/// third of them: a phone at 40 kB/s then looks dead after 30 s, and pings, closes and the drain wait behind all of it.
pub(crate) fn tune(tcp: &TcpStream) {
    // An error here means the peer is gone already, which the first read will say better.
    let _ = tcp.set_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(tcp).set_tcp_notsent_lowat(MAX_UNSENT);
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Other(other) => Pin::new(other).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Other(other) => Pin::new(other).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Self::Other(other) => Pin::new(other).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Other(other) => other.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Other(other) => Pin::new(other).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Other(other) => Pin::new(other).poll_shutdown(cx),
        }
    }
}
