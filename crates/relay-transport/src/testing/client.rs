//! A raw client: it masks what it is told to send and reads the server's frames one by one, byte for byte.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use super::patience::in_time;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a server sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The end of the stream, between two frames.
    End,
    /// The end of the stream within a frame.
    Torn,
}

impl Frame {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(Some((code, reason.to_owned())))
    }
}

/// The client's end of a connection.
#[derive(Debug)]
pub(crate) struct Client<S = DuplexStream> {
    stream: S,
    /// Read by [`Client::peek`].
    peeked: Option<u8>,
    frames: usize,
    has_ended: bool,
}

/// More than any test reads: one that waits for a frame which never comes fails instead of reading pings for ever.
const MAX_FRAMES: usize = 20_000;

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            peeked: None,
            frames: 0,
            has_ended: false,
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref()).await;
        sent.expect("the server reads");
    }

    /// Ends the client's half; it still reads.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("open until now");
    }

    /// The next frame. Reads its bytes and none behind them.
    ///
    /// # Panics
    /// When asked again after the end, and after very many frames.
    pub(crate) async fn recv(&mut self) -> Frame {
        assert!(!self.has_ended, "nothing comes after the end");
        self.frames += 1;
        assert!(self.frames < MAX_FRAMES, "what is waited for does not come");
        let frame = in_time(self.recv_any()).await;
        self.has_ended = matches!(frame, Frame::End | Frame::Torn);
        frame
    }

    async fn recv_any(&mut self) -> Frame {
        let Some(first) = self.byte().await else {
            return Frame::End;
        };
        assert_eq!(first & 0xf0, FIN, "whole and without reserved bits");
        match self.payload().await {
            Some(payload) => decoded(first & 0x0f, payload),
            None => Frame::Torn,
        }
    }

    /// The next frame that is not a ping; pings are answered.
    pub(crate) async fn recv_alive(&mut self) -> Frame {
        let mut frame = self.recv().await;
        while let Frame::Ping(payload) = frame {
            self.send(self::frame(FIN | PONG, payload)).await;
            frame = self.recv().await;
        }
        frame
    }

    /// Everything up to the end of the stream, which must not come within a frame.
    pub(crate) async fn recv_all(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut frame = self.recv().await;
        while frame != Frame::End {
            assert_ne!(frame, Frame::Torn, "after {} frames", frames.len());
            frames.push(frame);
            frame = self.recv().await;
        }
        frames
    }

    /// Waits for a byte and takes no more than that one: the server is at the next frame, and may be stuck in it.
    pub(crate) async fn peek(&mut self) {
        self.peeked = self.byte().await;
        assert!(self.peeked.is_some(), "a frame is on its way");
    }

    /// The next byte; `None` at the end of the stream.
    pub(crate) async fn byte(&mut self) -> Option<u8> {
        if let Some(byte) = self.peeked.take() {
            return Some(byte);
        }
        let mut byte = [0];
        match self.stream.read(&mut byte).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(byte[0]),
        }
    }

    async fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    }

    async fn payload(&mut self) -> Option<Vec<u8>> {
        let len = match self.byte().await? {
            126 => {
                let len = u16::from_be_bytes(self.array().await?);
                assert!(len > 125, "the shortest length");
                usize::from(len)
            }
            127 => {
                let len = u64::from_be_bytes(self.array().await?);
                assert!(len > u64::from(u16::MAX), "the shortest length");
                usize::try_from(len).unwrap()
            }
            short => {
                assert!(short < 126, "a server does not mask");
                usize::from(short)
            }
        };
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(payload)
    }
}

fn decoded(opcode: u8, payload: Vec<u8>) -> Frame {
    match opcode {
        TEXT => Frame::Text(String::from_utf8(payload).expect("text is UTF-8")),
        PING => Frame::Ping(payload),
        PONG => Frame::Pong(payload),
        CLOSE if payload.is_empty() => Frame::Close(None),
        CLOSE => {
            assert!((2..=125).contains(&payload.len()), "a code and a reason");
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            let reason = String::from_utf8(payload[2..].to_vec());
            Frame::Close(Some((code, reason.expect("a reason is UTF-8"))))
        }
        other => panic!("a relay sends no opcode {other:#x}"),
    }
}

/// The head of a masked frame; `first` is its first byte.
pub(crate) fn head(first: u8, payload_len: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload_len {
        0..126 => bytes.push(0x80 | payload_len as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((payload_len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload_len as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes
}

/// A masked frame; `first` is its first byte.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = head(first, payload.len());
    let keys = KEY.iter().cycle();
    bytes.extend(payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
    bytes
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(FIN | TEXT, text)
}

pub(crate) fn ping(payload: &str) -> Vec<u8> {
    frame(FIN | PING, payload)
}

pub(crate) fn pong(payload: &str) -> Vec<u8> {
    frame(FIN | PONG, payload)
}

pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(
        FIN | CLOSE,
        [&code.to_be_bytes(), reason.as_bytes()].concat(),
    )
}
