//! A WebSocket peer that hides nothing: frames of any shape go out, frames come in exactly as they were, and the
//! three ends of a connection (close frame, end of stream, reset) are told apart.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::frame::{CLOSE, Frame, PING, PONG, TEXT};
use super::http::{ACCEPT, Request, Response};
use super::patiently;

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// The stream ended between two frames.
    Eof,
    /// The stream ended inside a frame.
    Torn,
    /// The connection was reset.
    Reset,
}

/// Where a connection comes from and how much it takes unread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket {
    source: Ipv4Addr,
    receive_buffer: Option<u32>,
}

impl Default for Socket {
    fn default() -> Self {
        Self {
            source: Ipv4Addr::LOCALHOST,
            receive_buffer: None,
        }
    }
}

impl Socket {
    /// A peer on another host, as far as the relay can tell.
    pub(crate) fn from(source: [u8; 4]) -> Self {
        Self {
            source: source.into(),
            ..Self::default()
        }
    }

    /// A receive buffer of 4 KiB: a peer that takes little unread, and little at a time when it reads.
    pub(crate) fn narrow() -> Self {
        Self::taking(4 << 10)
    }

    /// A receive buffer of 64 KiB: what such a peer does not read is soon felt by the relay, yet it can read fast.
    pub(crate) fn shallow() -> Self {
        Self::taking(64 << 10)
    }

    fn taking(bytes: u32) -> Self {
        Self {
            receive_buffer: Some(bytes),
            ..Self::default()
        }
    }

    async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.source, 0).into())?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// One connection. Dropped, it ends without a close frame.
pub(crate) struct RawPeer {
    stream: TcpStream,
    unparsed: Vec<u8>,
    /// Frames read while something else was waited for.
    stash: VecDeque<Frame>,
}

impl RawPeer {
    /// A connection on which nothing has been said.
    pub(crate) async fn connect(addr: SocketAddr, socket: Socket) -> io::Result<Self> {
        Ok(Self {
            stream: socket.connect(addr).await?,
            unparsed: Vec::new(),
            stash: VecDeque::new(),
        })
    }

    /// Sends `request` and reads the 101.
    pub(crate) async fn upgrade(&mut self, request: &Request) {
        let response = self.ask(request).await;
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("upgrade"), Some("websocket"));
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
    }

    /// Sends `request` and reads the response.
    pub(crate) async fn ask(&mut self, request: &Request) -> Response {
        self.send_bytes(&request.bytes()).await;
        self.response().await
    }

    pub(crate) async fn response(&mut self) -> Response {
        loop {
            if let Some((response, length)) = Response::parse(&self.unparsed) {
                self.unparsed.drain(..length);
                return response;
            }
            let n = self.fill().await.expect("a response");
            assert!(n > 0, "a response, not the end of the stream");
        }
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let sent = patiently("sending", self.stream.write_all(bytes)).await;
        sent.expect("a peer that takes bytes");
    }

    /// The same, for a peer that may be gone.
    pub(crate) async fn try_send(&mut self, frame: Frame) -> io::Result<()> {
        let bytes = frame.masked();
        patiently("sending", self.stream.write_all(&bytes)).await
    }

    pub(crate) async fn send(&mut self, frame: Frame) {
        self.send_bytes(&frame.masked()).await;
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.send(Frame::text(text)).await;
    }

    /// Sends several frames in one write.
    pub(crate) async fn send_all(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let frames: Vec<_> = frames.into_iter().map(|frame| frame.masked()).collect();
        self.send_bytes(&frames.concat()).await;
    }

    /// Whatever comes next, pings included.
    pub(crate) async fn next(&mut self) -> Result<Frame, End> {
        if let Some(frame) = self.stash.pop_front() {
            return Ok(frame);
        }
        self.read().await
    }

    async fn read(&mut self) -> Result<Frame, End> {
        loop {
            if let Some((frame, length)) = Frame::parse(&self.unparsed) {
                self.unparsed.drain(..length);
                return Ok(frame);
            }
            match self.fill().await {
                Ok(0) if self.unparsed.is_empty() => return Err(End::Eof),
                Ok(0) => return Err(End::Torn),
                Ok(_) => {}
                Err(err) if err.kind() == io::ErrorKind::ConnectionReset => return Err(End::Reset),
                Err(err) => panic!("reading: {err}"),
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.unparsed.reserve(16 << 10);
        patiently("reading", self.stream.read_buf(&mut self.unparsed)).await
    }

    /// The next frame that is no ping; pings are answered.
    pub(crate) async fn frame(&mut self) -> Frame {
        // Bounded as a whole, since pings alone could go on for ever.
        patiently("a frame", async {
            loop {
                match self.next().await {
                    Ok(frame) if frame.first == PING => {
                        self.send(Frame::new(PONG, frame.payload)).await;
                    }
                    Ok(frame) => return frame,
                    Err(end) => panic!("a frame, not {end:?}"),
                }
            }
        })
        .await
    }

    /// The next message, which has to be one text frame.
    pub(crate) async fn text(&mut self) -> String {
        let frame = self.frame().await;
        assert_eq!(frame.first, TEXT, "a text message, not {frame:?}");
        String::from_utf8(frame.payload).expect("UTF-8")
    }

    /// The next frame, which has to be a ping; it is not answered.
    pub(crate) async fn ping(&mut self) -> String {
        let received = self.next().await;
        match received {
            Ok(frame) if frame.first == PING => String::from_utf8(frame.payload).expect("UTF-8"),
            other => panic!("a ping, not {other:?}"),
        }
    }

    /// Waits until the relay has dealt with everything sent so far: it answers a ping in its turn. Also tells that
    /// a leg is registered, since nobody reads it before.
    pub(crate) async fn settle(&mut self) {
        self.send(Frame::ping("settled?")).await;
        loop {
            match self.read().await {
                Ok(frame) if frame.first == PONG => {
                    assert_eq!(frame.payload, b"settled?");
                    return;
                }
                Ok(frame) => self.stash.push_back(frame),
                Err(end) => panic!("a pong, not {end:?}"),
            }
        }
    }

    /// Reads a close frame next, answers it, and sees the stream end cleanly.
    pub(crate) async fn expect_close(mut self, code: u16, reason: &str) {
        let status = self.frame().await.close_status();
        assert_eq!(status, (code, reason.to_owned()));
        self.finish_close(code).await;
    }

    /// The same for a close whose reason is a diagnostic and no contract.
    pub(crate) async fn expect_code(mut self, code: u16) {
        assert_eq!(self.frame().await.close_status().0, code);
        self.finish_close(code).await;
    }

    /// Has stayed silent: reads the ping of the probe, then the close that follows from not answering.
    pub(crate) async fn expect_probe_and_close(mut self) {
        self.ping().await;
        self.expect_close(1011, "heartbeat timeout").await;
    }

    async fn finish_close(&mut self, code: u16) {
        // The relay may have shut its half already: what counts is that it does not reset ours.
        let _ = self.try_send(Frame::close(code, "")).await;
        assert_eq!(self.next().await, Err(End::Eof));
    }

    /// Closes, and reads past whatever is under way to the echo and the end.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        self.send(Frame::close(code, reason)).await;
        while let Ok(frame) = self.next().await {
            if frame.first == CLOSE {
                assert_eq!(frame.close_status(), (code, reason.to_owned()));
                assert_eq!(self.next().await, Err(End::Eof));
                return;
            }
        }
        panic!("the stream ended before the echo");
    }

    /// Ends with a reset, as a host that lost its mind does.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("an open socket");
    }
}
