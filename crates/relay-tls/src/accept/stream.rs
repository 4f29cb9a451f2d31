//! A TLS connection to a peer, as small in a future as a pointer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server;

/// A TLS connection whose handshake is done.
///
/// Boxed, since rustls' state is 1.2 KiB and would be copied into every future the stream is handed through.
///
/// What was written may stay in rustls' buffer until [`flush`](tokio::io::AsyncWriteExt::flush): flush after the last
/// write of a batch. [`shutdown`](tokio::io::AsyncWriteExt::shutdown) sends the close alert.
#[derive(Debug)]
pub struct TlsStream(Box<server::TlsStream<TcpStream>>);

impl TlsStream {
    pub(super) fn new(stream: server::TlsStream<TcpStream>) -> Self {
        Self(Box::new(stream))
    }

    /// The socket under it, for its addresses and options.
    pub fn tcp(&self) -> &TcpStream {
        self.0.get_ref().0
    }

    /// The name the peer asked for, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.0.get_ref().1.server_name()
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut server::TlsStream<TcpStream>> {
        Pin::new(&mut *self.get_mut().0)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}
