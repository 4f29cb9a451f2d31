//! From an accepted TCP connection to a TLS stream, within a deadline.

mod config;
mod plain_http;
mod stream;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::server::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use crate::certificates::Certificates;

pub use stream::TlsStream;

/// Makes TLS connections; clones share their session tickets.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<rustls::ServerConfig>,
    certificates: Certificates,
}

/// Why no acceptor can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The crypto library did not give what every build of it has, for example randomness.
    #[error("the crypto library is not usable")]
    Crypto {
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a connection did not become a TLS stream; none of it is the relay's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The peer did not speak TLS, and was told so in HTTP.
    #[error("the peer did not speak TLS")]
    NotTls,
    /// The handshake was not over at the deadline.
    #[error("the handshake was not over in time")]
    TimedOut,
    /// The peer went away, or the handshake failed; where TLS has an alert for it, the peer was sent that.
    #[error("the handshake failed")]
    Handshake {
        /// What the socket or rustls says.
        source: io::Error,
    },
}

impl From<AcceptError> for io::Error {
    fn from(error: AcceptError) -> Self {
        let kind = match &error {
            AcceptError::NotTls => io::ErrorKind::InvalidData,
            AcceptError::TimedOut => io::ErrorKind::TimedOut,
            AcceptError::Handshake { source } => source.kind(),
        };
        Self::new(kind, error)
    }
}

/// The first byte of every TLS connection: a handshake record (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 0x16;

impl TlsAcceptor {
    /// Serves `certificates`, as they are at each handshake.
    ///
    /// TLS 1.2 and 1.3, ALPN `http/1.1`, no client certificates. Without SNI, or for a name that `certificates` does
    /// not serve, a handshake ends in an alert. For a name whose first certificate is still being asked for, it waits;
    /// once an attempt at that has failed, and until there is a certificate, it ends in an alert too.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new(certificates: &Certificates) -> Result<Self, SetupError> {
        let config = config::server(certificates.clone())?;
        Ok(Self {
            config: Arc::new(config),
            certificates: certificates.clone(),
        })
    }

    /// Does the handshake on a connection of which nothing was read yet.
    ///
    /// Plain HTTP is answered `HTTP/1.0 400`. In every case the socket is closed such that the peer can read the
    /// answer or the alert, which may take until the deadline, but at most a second.
    ///
    /// # Errors
    /// The peer speaks no TLS, or it and we do not agree, or it is too slow.
    ///
    /// # Cancel safety
    /// The connection is dropped.
    pub async fn accept(
        &self,
        mut tcp: TcpStream,
        deadline: Instant,
    ) -> Result<TlsStream, AcceptError> {
        let failed = |source| AcceptError::Handshake { source };
        let handshake = async {
            let mut first = [0];
            match tcp.peek(&mut first).await {
                Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) if first[0] == HANDSHAKE_RECORD => {}
                Ok(_) => {
                    // The peer may be gone already, and that it speaks no TLS is what there is to say about it.
                    let _ = tcp.write_all(plain_http::ANSWER).await;
                    Box::pin(linger(&mut tcp)).await;
                    return Err(AcceptError::NotTls);
                }
                Err(source) => return Err(failed(source)),
            }
            match self.handshake(tcp).await {
                Ok(stream) => Ok(stream),
                Err((source, tcp)) => {
                    if let Some(mut tcp) = tcp {
                        Box::pin(linger(&mut tcp)).await;
                    }
                    Err(failed(source))
                }
            }
        };
        tokio::time::timeout_at(deadline.into(), handshake)
            .await
            .unwrap_or(Err(AcceptError::TimedOut))
    }

    /// Boxed here, out of sight of the caller's future: rustls' state would take up 1.3 KiB of it.
    fn handshake(
        &self,
        tcp: TcpStream,
    ) -> impl Future<Output = Result<TlsStream, (io::Error, Option<TcpStream>)>> + use<> {
        let Self {
            config,
            certificates,
        } = self.clone();
        Box::pin(async move {
            let mut hello = LazyConfigAcceptor::new(Acceptor::default(), tcp);
            let start = match (&mut hello).await {
                Ok(start) => start,
                Err(error) => return Err((error, hello.take_io())),
            };
            let name = start.client_hello().server_name().map(str::to_owned);
            if let Some(name) = name {
                certificates.settled(&name).await;
            }
            let stream = start.into_stream(config).into_fallible().await;
            stream
                .map(TlsStream::new)
                .map_err(|(error, tcp)| (error, Some(tcp)))
        })
    }
}

const MAX_LINGER: Duration = Duration::from_secs(1);
const MAX_DISCARDED_BYTES: u64 = 64 << 10;

/// Ends our half and reads the peer's to its end, within bounds: closing with unread bytes would reset the
/// connection, and the reset would take what we said last with it.
async fn linger(tcp: &mut TcpStream) {
    if tcp.shutdown().await.is_ok() {
        let mut rest = tcp.take(MAX_DISCARDED_BYTES);
        let discard = async { while let Ok(1..) = rest.read(&mut [0; 512]).await {} };
        let _ = tokio::time::timeout(MAX_LINGER, discard).await;
    }
}

#[cfg(test)]
mod tests;
