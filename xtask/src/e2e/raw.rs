//! A WebSocket client that hides nothing: frames of any shape go out, frames come in exactly as they were,
//! and the end of the connection is told apart: close frame, end of stream, reset.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::frame::{Frame, opcode};
use super::http::{ACCEPT, Request, Response};

/// A receive buffer so small that a few frames fill it; the kernel doubles it.
const NARROW_BUFFER: u32 = 4 * 1024;

/// What came next on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Received {
    Frame(Frame),
    /// The stream ended with a FIN between two frames.
    Eof,
    /// The stream ended inside a frame.
    Torn,
    /// The connection was reset.
    Reset,
}

impl Received {
    /// The frame, unless the connection has ended.
    pub(crate) fn into_frame(self) -> anyhow::Result<Frame> {
        match self {
            Self::Frame(frame) => Ok(frame),
            end @ (Self::Eof | Self::Torn | Self::Reset) => bail!("a frame expected, got {end:?}"),
        }
    }
}

/// One connection, frame by frame.
#[derive(Debug)]
pub(crate) struct RawPeer {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Bytes of `unread` that were parsed already.
    parsed: usize,
}

impl RawPeer {
    /// A TCP connection on which nothing was said yet.
    pub(crate) async fn dial(addr: SocketAddr) -> anyhow::Result<Self> {
        Self::dial_from(TcpSocket::new_v4()?, addr).await
    }

    /// The same with a small receive buffer.
    pub(crate) async fn dial_narrow(addr: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(NARROW_BUFFER)?;
        Self::dial_from(socket, addr).await
    }

    /// The same from an address of this machine.
    pub(crate) async fn dial_at(ip: Ipv4Addr, addr: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((ip, 0).into())?;
        Self::dial_from(socket, addr).await
    }

    async fn dial_from(socket: TcpSocket, addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = socket
            .connect(addr)
            .await
            .with_context(|| format!("could not connect to {addr}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            parsed: 0,
        })
    }

    /// A connection after its 101.
    pub(crate) async fn upgrade(addr: SocketAddr, request: &Request) -> anyhow::Result<Self> {
        let mut peer = Self::dial(addr).await?;
        peer.handshake(request).await?;
        Ok(peer)
    }

    /// Sends the request and reads the 101.
    pub(crate) async fn handshake(&mut self, request: &Request) -> anyhow::Result<Response> {
        self.send_bytes(&request.bytes()).await?;
        let response = self.response().await?;
        response.expect(101)?;
        response.expect_header("upgrade", "websocket")?;
        response.expect_header("connection", "upgrade")?;
        ensure!(
            response.header("sec-websocket-accept") == Some(ACCEPT),
            "a wrong accept key in {response:?}"
        );
        Ok(response)
    }

    /// Reads a response; one without a length and without an upgrade lasts until the end of the stream.
    pub(crate) async fn response(&mut self) -> anyhow::Result<Response> {
        const END: &[u8] = b"\r\n\r\n";
        let head = loop {
            if let Some(at) = self
                .pending()
                .windows(END.len())
                .position(|window| window == END)
            {
                break at;
            }
            ensure!(
                self.fill().await? > 0,
                "the stream ended before a response: {:?}",
                String::from_utf8_lossy(self.pending())
            );
        };
        let mut response = Response::parse(std::str::from_utf8(&self.pending()[..head])?)?;
        self.parsed += head + END.len();
        if response.status == 101 {
            return Ok(response);
        }
        let wanted = response.content_length();
        while wanted.is_none_or(|wanted| self.pending().len() < wanted) && self.fill().await? > 0 {}
        let body = &self.pending()[..wanted.unwrap_or(usize::MAX).min(self.pending().len())];
        ensure!(
            wanted.is_none_or(|wanted| body.len() == wanted),
            "a short body in {response:?}"
        );
        response.body = body.to_vec();
        self.parsed += response.body.len();
        Ok(response)
    }

    /// Sends bytes as they are.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await.context("could not send")
    }

    /// Sends one frame.
    pub(crate) async fn send(&mut self, frame: &Frame) -> anyhow::Result<()> {
        self.send_bytes(&frame.bytes()).await
    }

    /// Sends a text message.
    pub(crate) async fn send_text(&mut self, text: &str) -> anyhow::Result<()> {
        self.send(&Frame::text(text)).await
    }

    /// The next frame, or how the connection ended. Cancel safe.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Received> {
        loop {
            if let Some((frame, length)) = Frame::parse(self.pending()) {
                self.parsed += length;
                ensure!(
                    !frame.masked && frame.rsv == 0 && frame.fin,
                    "the relay sends no such frame: {frame:?}"
                );
                return Ok(Received::Frame(frame));
            }
            match self.fill().await {
                Ok(0) if self.pending().is_empty() => return Ok(Received::Eof),
                Ok(0) => return Ok(Received::Torn),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(Received::Reset);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next frame that is no ping; pings are answered.
    pub(crate) async fn frame(&mut self) -> anyhow::Result<Frame> {
        loop {
            let frame = self.next().await?.into_frame()?;
            if frame.opcode != opcode::PING {
                return Ok(frame);
            }
            self.send(&Frame::new(opcode::PONG, frame.payload)).await?;
        }
    }

    /// The next frame, which must be a text message.
    pub(crate) async fn text(&mut self) -> anyhow::Result<String> {
        let frame = self.frame().await?;
        ensure!(
            frame.opcode == opcode::TEXT,
            "a text message expected, got {frame:?}"
        );
        Ok(String::from_utf8(frame.payload)?)
    }

    /// Waits until the relay has dealt with everything sent so far: it answers a ping, in its turn.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<()> {
        self.send(&Frame::ping("settled?")).await?;
        self.expect_pong(b"settled?").await
    }

    /// Answers pings for as long as `other` takes, and expects nothing else.
    pub(crate) async fn idle_while<T>(
        &mut self,
        other: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            result = other => result,
            frame = self.frame() => bail!("nothing expected, got {frame:?}"),
        }
    }

    /// Takes in whatever comes for as long as `other` takes.
    pub(crate) async fn read_while<T>(
        &mut self,
        other: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                result = &mut other => return result,
                frame = self.frame() => frame?,
            };
        }
    }

    /// The next frame is a pong with this payload.
    pub(crate) async fn expect_pong(&mut self, payload: &[u8]) -> anyhow::Result<()> {
        let frame = self.frame().await?;
        ensure!(
            frame
                == Frame {
                    masked: false,
                    ..Frame::new(opcode::PONG, payload)
                },
            "a pong expected, got {frame:?}"
        );
        Ok(())
    }

    /// Code and reason of the next frame, which must be a close; it is not answered.
    pub(crate) async fn close_frame(&mut self) -> anyhow::Result<(Option<u16>, String)> {
        let frame = self.frame().await?;
        let (code, reason) = frame.close_status()?;
        Ok((code, reason.to_owned()))
    }

    /// The relay closes: the next frame is this close, and after our answer the stream ends without a reset.
    pub(crate) async fn expect_close(&mut self, code: u16, reason: &str) -> anyhow::Result<()> {
        let found = self.close_frame().await?;
        ensure!(
            found == (Some(code), reason.to_owned()),
            "close {code} `{reason}` expected, got {found:?}"
        );
        self.send(&Frame::close(code, "")).await?;
        self.expect_eof().await
    }

    /// As [`RawPeer::expect_close`] with any reason.
    pub(crate) async fn expect_close_code(&mut self, code: u16) -> anyhow::Result<()> {
        let found = self.close_frame().await?;
        ensure!(
            found.0 == Some(code),
            "close {code} expected, got {found:?}"
        );
        self.send(&Frame::close(code, "")).await?;
        self.expect_eof().await
    }

    /// The stream ends with a FIN and nothing before it; we end ours then, as every client does.
    pub(crate) async fn expect_eof(&mut self) -> anyhow::Result<()> {
        let end = self.next().await?;
        ensure!(
            end == Received::Eof,
            "the end of the stream expected, got {end:?}"
        );
        self.stream
            .shutdown()
            .await
            .context("could not end the stream")
    }

    /// Drops the connection with a RST instead of a FIN.
    pub(crate) fn reset(self) -> anyhow::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO))?;
        Ok(())
    }

    /// Reads at most `limit` bytes from the socket without looking at them; 0 at the end of the stream.
    pub(crate) async fn take_in(&mut self, limit: u64) -> anyhow::Result<usize> {
        Ok((&mut self.stream)
            .take(limit)
            .read_buf(&mut self.unread)
            .await?)
    }

    /// The next frame among the bytes taken in so far.
    pub(crate) fn taken_frame(&mut self) -> Option<Frame> {
        let (frame, length) = Frame::parse(self.pending())?;
        self.parsed += length;
        if self.parsed == self.unread.len() {
            self.unread.clear();
            self.parsed = 0;
        }
        Some(frame)
    }

    fn pending(&self) -> &[u8] {
        &self.unread[self.parsed..]
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.unread.drain(..self.parsed);
        self.parsed = 0;
        self.stream.read_buf(&mut self.unread).await
    }
}
