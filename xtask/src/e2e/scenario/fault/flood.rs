//! A binary that sends numbered frames to all of its phones as fast as the relay takes them.

use anyhow::{Context as _, bail, ensure};
use tokio::sync::watch;

use crate::e2e::frame::{Frame, opcode};
use crate::e2e::peer::Envelope;
use crate::e2e::raw::{RawPeer, Received};

/// What a flood closes its phones with at its end: a code of its own.
const OVER: u16 = 4000;

/// A binary, all of its phones, and one of them that reads.
#[derive(Debug)]
pub(super) struct Flood {
    binary: RawPeer,
    conn_ids: Vec<String>,
    reader: Option<RawPeer>,
    frame_bytes: usize,
    sent: usize,
    /// The frame head of every envelope, which are of one length.
    head: Vec<u8>,
    /// What stands behind the number, masked once and for all.
    tail: Vec<u8>,
}

/// How a phone saw a flood end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// So many frames arrived, then what ends a flood.
    Served(usize),
    /// A part arrived, then 1011.
    Evicted,
    /// A part arrived, then the connection was gone.
    Cut,
}

/// A frame of this length that begins with its number.
fn numbered(number: usize, bytes: usize) -> String {
    let start = beginning(number);
    let end = "\"}";
    let filling = "x".repeat(bytes - start.len() - end.len());
    format!("{start}{filling}{end}")
}

/// Up to where frames differ.
fn beginning(number: usize) -> String {
    format!(r#"{{"n":"{number:08}","d":""#)
}

/// An envelope but for its last brace.
fn to(conn_id: &str, frame: &str) -> String {
    format!(r#"{{"conn_id":"{conn_id}","frame":{frame}"#)
}

impl Flood {
    /// A flood of frames of this length; `reader`, if there is one, is a phone of it that waits for each.
    pub(super) fn new(
        binary: RawPeer,
        conn_ids: Vec<String>,
        reader: Option<RawPeer>,
        frame_bytes: usize,
    ) -> Self {
        let envelope = to(&conn_ids[0], &numbered(0, frame_bytes)) + "}";
        let common = to(&conn_ids[0], &beginning(0)).len();
        let mut head = Frame::text(envelope.as_str()).bytes();
        let mut masked = head.split_off(head.len() - envelope.len());
        Self {
            binary,
            conn_ids,
            reader,
            frame_bytes,
            sent: 0,
            head,
            tail: masked.split_off(common),
        }
    }

    /// Sends one frame to each phone, and waits until the relay has taken all of them.
    ///
    /// # Errors
    ///
    /// The reading phone was not served, or the binary was told what it must not.
    pub(super) async fn round(&mut self) -> anyhow::Result<()> {
        let number = self.sent;
        for conn_id in &self.conn_ids {
            let beginning = to(conn_id, &beginning(number));
            let framed = Frame::text(beginning.as_str()).bytes();
            let masked = &framed[framed.len() - beginning.len()..];
            let bytes = [&self.head, masked, &self.tail].concat();
            self.binary.send_bytes(&bytes).await?;
        }
        if let Some(reader) = &mut self.reader {
            let text = reader.text().await.context("who reads")?;
            let expected = numbered(number, self.frame_bytes);
            ensure!(text == expected, "{number} expected, got {text:.40}");
        }
        self.sent += 1;
        self.settle().await
    }

    /// Sends on until told that it is over, and gives itself back.
    ///
    /// # Errors
    ///
    /// As [`Flood::round`].
    pub(super) async fn run(mut self, is_over: watch::Receiver<bool>) -> anyhow::Result<Self> {
        while !*is_over.borrow() {
            self.round().await?;
        }
        Ok(self)
    }

    /// Frames that each phone was sent.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Closes every phone behind what is queued for it.
    ///
    /// # Errors
    ///
    /// The binary was told what it must not, or the reading phone something else.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        for conn_id in &self.conn_ids {
            let directive = format!(r#"{{"conn_id":"{conn_id}","close_code":{OVER}}}"#);
            self.binary.send_text(&directive).await?;
        }
        self.settle().await?;
        match &mut self.reader {
            Some(reader) => reader.expect_close(OVER, "").await.context("who reads"),
            None => Ok(()),
        }
    }

    /// Waits until the relay has taken everything, and hears of phones that are gone.
    async fn settle(&mut self) -> anyhow::Result<()> {
        self.binary.send(&Frame::ping("settled?")).await?;
        loop {
            let frame = self.binary.frame().await?;
            if frame.opcode == opcode::PONG {
                return Ok(());
            }
            match Envelope::parse(std::str::from_utf8(&frame.payload)?)? {
                Envelope::Notice { .. } => {}
                frame @ Envelope::Frame { .. } => bail!("{frame:?}"),
            }
        }
    }
}

/// Reads what a flood has left for a phone that had not read.
///
/// # Errors
///
/// A frame is missing, or the end is none that is documented.
pub(super) async fn read_to_end(mut phone: RawPeer, frame_bytes: usize) -> anyhow::Result<Fate> {
    let mut number = 0;
    loop {
        let frame = match phone.next().await? {
            Received::Frame(frame) => frame,
            Received::Torn | Received::Reset => return Ok(Fate::Cut),
            Received::Eof => bail!("an end without a close after {number} frames"),
        };
        match frame.opcode {
            opcode::TEXT => {
                let expected = Frame::text(numbered(number, frame_bytes)).unmasked();
                ensure!(frame == expected, "frame {number} expected");
                number += 1;
            }
            opcode::PING => {}
            opcode::CLOSE if frame == Frame::close(OVER, "").unmasked() => {
                phone.send(&Frame::close(OVER, "")).await?;
                phone.expect_eof().await?;
                return Ok(Fate::Served(number));
            }
            opcode::CLOSE => {
                ensure!(
                    frame == Frame::close(1011, "phone backlog full").unmasked(),
                    "{frame:?}"
                );
                phone.send(&Frame::close(1011, "")).await?;
                phone.expect_eof().await?;
                return Ok(Fate::Evicted);
            }
            _ => bail!("{frame:?}"),
        }
    }
}
