//! Between accept(2) and the first byte of HTTP: the PROXY header, then whatever the embedder puts in between, TLS
//! above all.
//!
//! It runs on the connection's own task and within the handshake timeout, so a peer that stalls delays nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use relay_core::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::admission::read_proxy_header;
use crate::config::ProxyProtocol;

/// A byte stream that HTTP can be spoken on.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// What an accepted connection goes through before HTTP: a TLS handshake, most of all.
pub trait Accept: Send + Sync {
    /// Turns the TCP connection into the stream to serve.
    ///
    /// # Errors
    /// Whatever ends the connection; it is dropped without a word of ours.
    ///
    /// # Cancel safety
    /// The future is dropped when the handshake timeout passes, and the connection with it.
    fn accept(&self, tcp: TcpStream) -> BoxFuture<'_, io::Result<Box<dyn Io>>>;
}

/// A connection ready for HTTP, and who it is from.
pub(crate) enum Accepted {
    /// Nothing stands between.
    Plain(TcpStream, SocketAddr),
    /// An [`Accept`] had it.
    Wrapped(Box<dyn Io>, SocketAddr),
}

/// Prepares one connection; `None` if there is nothing to serve.
pub(crate) async fn prepare(
    mut tcp: TcpStream,
    peer: SocketAddr,
    proxy: &ProxyProtocol,
    accept: Option<&Arc<dyn Accept>>,
) -> Option<Accepted> {
    let remote = source(&mut tcp, peer, proxy).await?;
    Some(match accept {
        None => Accepted::Plain(tcp, remote),
        Some(accept) => Accepted::Wrapped(accept.accept(tcp).await.ok()?, remote),
    })
}

async fn source(
    tcp: &mut TcpStream,
    peer: SocketAddr,
    proxy: &ProxyProtocol,
) -> Option<SocketAddr> {
    match proxy {
        ProxyProtocol::Off => return Some(peer),
        ProxyProtocol::FromAnyone => {}
        ProxyProtocol::From(trusted) => {
            if !trusted.iter().any(|block| block.contains(peer.ip())) {
                return None;
            }
        }
    }
    let proxied = read_proxy_header(tcp).await.ok()?;
    Some(proxied.unwrap_or(peer))
}
