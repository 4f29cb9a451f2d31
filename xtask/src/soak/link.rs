//! One leg, frame by frame, for peers that come and go in every way there is.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::timeout;

use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::raw::{RawPeer, Received};
use crate::random::Random;

use super::books::NO_STATUS;

/// What nothing on one machine takes: whoever waits longer waits for something that does not come.
///
/// A phone's write may have to wait for a daemon that reads nothing, and a frame of it for the end of a grace window.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// On the loopback interface as well.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What was heard on a leg, besides pings and pongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Text(String),
    /// A close frame, with [`NO_STATUS`] for none.
    Close(u16, String),
    /// The end, without a close frame before it or behind one.
    End(Received),
    Pong(String),
}

/// How to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Plain,
    /// With a receive buffer of a few KiB.
    Narrow,
    /// From another address than everybody else.
    Elsewhere,
}

/// How to vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vanish {
    /// With what the system makes of a closed socket: a FIN, or a RST when something was left unread.
    Drop,
    Reset,
}

/// One leg.
#[derive(Debug)]
pub(super) struct Link {
    peer: RawPeer,
    random: Random,
    /// A write failed: nothing is said any more, but there may be something to read.
    is_mute: bool,
}

impl Link {
    /// Dials and upgrades.
    ///
    /// # Errors
    ///
    /// The relay does not answer 101.
    pub(super) async fn open(
        addr: SocketAddr,
        request: &Request,
        door: Door,
        random: Random,
    ) -> anyhow::Result<Self> {
        let opening = async {
            let mut peer = match door {
                Door::Plain => RawPeer::dial(addr).await?,
                Door::Narrow => RawPeer::dial_narrow(addr).await?,
                Door::Elsewhere => RawPeer::dial_at(ELSEWHERE, addr).await?,
            };
            peer.handshake(request).await?;
            anyhow::Ok(peer)
        };
        let peer = timeout(PATIENCE, opening).await.context("no 101")??;
        Ok(Self {
            peer,
            random,
            is_mute: false,
        })
    }

    /// Sends a text in one of the ways that a message may be cut, as text or as bytes.
    pub(super) async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let opcode = if self.random.chance(20) {
            opcode::BINARY
        } else {
            opcode::TEXT
        };
        if !self.random.chance(10) {
            return self.send(&Frame::new(opcode, text)).await;
        }
        let mut rest = text.as_bytes();
        let mut opcode = opcode;
        while rest.len() > 1 && self.random.chance(80) {
            let at = self.random.between(0, rest.len() as u64 - 1);
            let (part, after) = rest.split_at(usize::try_from(at)?);
            self.send(&Frame::new(opcode, part).unfinished()).await?;
            if self.random.chance(20) {
                self.send(&Frame::ping("between")).await?;
            }
            (opcode, rest) = (opcode::CONTINUATION, after);
        }
        self.send(&Frame::new(opcode, rest)).await
    }

    /// Sends one frame. That the relay has closed meanwhile is no error: what is left to read tells why.
    pub(super) async fn send(&mut self, frame: &Frame) -> anyhow::Result<()> {
        self.send_bytes(&frame.bytes()).await
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        if self.is_mute {
            return Ok(());
        }
        let written = timeout(PATIENCE, self.peer.send_bytes(bytes))
            .await
            .with_context(|| format!("the relay did not read for {PATIENCE:?}"))?;
        self.is_mute = written.is_err();
        Ok(())
    }

    /// Sends a close with this status, [`NO_STATUS`] for none.
    pub(super) async fn send_close(&mut self, code: u16) -> anyhow::Result<()> {
        let frame = if code == NO_STATUS {
            Frame::new(opcode::CLOSE, "")
        } else {
            Frame::close(code, "")
        };
        self.send(&frame).await
    }

    /// What comes next, as it came. Cancel safe; [`Link::digest`] has to be given all of it.
    pub(super) async fn next(&mut self) -> anyhow::Result<Received> {
        self.peer.next().await
    }

    /// What that means; a ping is answered and means nothing.
    pub(super) async fn digest(&mut self, received: Received) -> anyhow::Result<Option<Heard>> {
        let frame = match received {
            Received::Frame(frame) => frame,
            end @ (Received::Eof | Received::Torn | Received::Reset) => {
                return Ok(Some(Heard::End(end)));
            }
        };
        Ok(Some(match frame.opcode {
            opcode::PING => {
                self.send(&Frame::new(opcode::PONG, frame.payload)).await?;
                return Ok(None);
            }
            opcode::PONG => {
                Heard::Pong(String::from_utf8(frame.payload).context("not what was sent")?)
            }
            opcode::TEXT => Heard::Text(String::from_utf8(frame.payload).context("not UTF-8")?),
            opcode::CLOSE => {
                let (code, reason) = frame.close_status()?;
                Heard::Close(code.unwrap_or(NO_STATUS), reason.to_owned())
            }
            _ => bail!("the relay sends no such frame: {frame:?}"),
        }))
    }

    /// What is heard next. Not cancel safe.
    ///
    /// # Errors
    ///
    /// Nothing is, for longer than anything takes.
    pub(super) async fn hear(&mut self) -> anyhow::Result<Heard> {
        // Pings come for as long as the connection stands.
        let hearing = async {
            loop {
                let received = self.next().await?;
                if let Some(heard) = self.digest(received).await? {
                    return Ok(heard);
                }
            }
        };
        timeout(PATIENCE, hearing)
            .await
            .with_context(|| format!("nothing came for {PATIENCE:?}"))?
    }

    /// Answers a close, and expects nothing but the end of the stream.
    pub(super) async fn answer_close(mut self, code: u16) -> anyhow::Result<()> {
        self.send_close(code).await?;
        self.end().await
    }

    /// Expects nothing but the end of the stream, and ends it too.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        if self.is_mute {
            return Ok(());
        }
        match self.hear().await? {
            // The relay gives the handshake 5 s; a peer that was away for longer finds that it is over.
            Heard::End(Received::Eof | Received::Reset) => Ok(()),
            other @ (Heard::Text(_) | Heard::Close(..) | Heard::Pong(_) | Heard::End(_)) => {
                bail!("the end of the stream expected, got {other:?}")
            }
        }
    }

    /// Is gone.
    pub(super) fn vanish(self, how: Vanish) -> anyhow::Result<()> {
        match how {
            Vanish::Drop => Ok(()),
            Vanish::Reset => self.peer.reset(),
        }
    }

    /// The first half of a message, and nothing after it.
    pub(super) async fn send_half(&mut self) -> anyhow::Result<()> {
        let bytes = Frame::text("x".repeat(2000)).bytes();
        self.send_bytes(&bytes[..1000]).await
    }

    /// Something that RFC 6455 forbids; returns the status that it is closed with.
    pub(super) async fn offend(&mut self) -> anyhow::Result<u16> {
        let oversized = super::message::MAX_MESSAGE + 1;
        let (code, frame) = match self.random.below(6) {
            0 => (1002, Frame::text("1").unmasked()),
            1 => (1002, Frame::text("1").rsv(4)),
            2 => (1002, Frame::new(opcode::CONTINUATION, "1")),
            3 => (1007, Frame::text(b"\"\xff\"".as_slice())),
            4 => (1007, Frame::text(b"\"\xed\xa0\x80\"".as_slice())),
            _ => (1009, Frame::text(vec![b'1'; oversized])),
        };
        // Of an oversized message the head is enough, and a relay that has shut its side need not take the rest.
        let bytes = frame.bytes();
        self.send_bytes(&bytes[..bytes.len().min(1000)]).await?;
        Ok(code)
    }

    /// The relay refuses this claim or leg: a close with this status and reason is next, then the end.
    pub(super) async fn expect_refusal(mut self, code: u16, reason: &str) -> anyhow::Result<()> {
        let heard = self.hear().await?;
        ensure!(
            heard == Heard::Close(code, reason.to_owned()),
            "close {code} `{reason}` expected, got {heard:?}"
        );
        self.answer_close(code).await
    }
}
