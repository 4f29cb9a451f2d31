//! The ways in which a phone ends.

use anyhow::Context as _;

use super::life::Life;
use crate::e2e::frame::Frame;
use crate::soak::books::{End, Provocation};
use crate::soak::link::Vanish;
use crate::soak::message::Ask;
use crate::soak::world::Part;

/// How a phone means to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::soak) enum Leave {
    /// With a close, once every frame was answered.
    Close(u16),
    /// With a close right behind some frames.
    CloseInHaste(u16),
    /// With a close, and without waiting for its echo.
    CloseAndVanish(u16),
    Drop,
    Reset,
    /// In the middle of a message.
    DropInFrame,
    ResetInFrame,
    /// With something that is not JSON.
    NotJson,
    /// With something that RFC 6455 forbids.
    Offend,
    /// Its daemon closes it, as it asks.
    Ask {
        code: u16,
        last_word: bool,
    },
    /// Not, until it is closed or phones leave.
    Stay,
}

impl Life {
    pub(super) async fn leave(mut self, leave: Leave) -> anyhow::Result<End> {
        match leave {
            Leave::Close(code) => self.close(code).await,
            Leave::CloseInHaste(code) => {
                for _ in 0..self.random.below(4) {
                    self.speak(Ask::Echo).await?;
                }
                self.link.send_close(code).await?;
                self.provoked(Provocation::Close(code)).await
            }
            Leave::CloseAndVanish(code) => {
                self.link.send_close(code).await?;
                self.vanish(Vanish::Drop, End::ClosedAndGone(code))
            }
            Leave::Drop => self.vanish(Vanish::Drop, End::Dropped),
            Leave::Reset => self.vanish(Vanish::Reset, End::Dropped),
            Leave::DropInFrame => {
                self.link.send_half().await?;
                self.vanish(Vanish::Drop, End::Dropped)
            }
            Leave::ResetInFrame => {
                self.link.send_half().await?;
                self.vanish(Vanish::Reset, End::Dropped)
            }
            Leave::NotJson => {
                let texts = ["hello", "", "{\"a\":1,}", "1 2", "\u{FEFF}1"];
                let text = texts[usize::try_from(self.random.below(texts.len() as u64))?];
                self.link.send(&Frame::text(text)).await?;
                self.provoked(Provocation::NotJson).await
            }
            Leave::Offend => {
                let code = self.link.offend().await?;
                self.provoked(Provocation::Offence(code)).await
            }
            Leave::Ask { code, last_word } => {
                if let Some(end) = self.settle().await? {
                    return Ok(end);
                }
                self.speak(Ask::Close { code, last_word }).await?;
                self.provoked(Provocation::Nothing).await
            }
            Leave::Stay => {
                let world = std::sync::Arc::clone(&self.world);
                loop {
                    tokio::select! {
                        received = self.link.next() => {
                            let end = self.take(received?, Provocation::Nothing).await?;
                            if let Some(end) = end {
                                return Ok(end);
                            }
                        }
                        () = world.begun(Part::PhonesLeave) => return self.close(1000).await,
                    }
                }
            }
        }
    }

    /// Awaits its answers, closes, and reads the echo.
    async fn close(mut self, code: u16) -> anyhow::Result<End> {
        if let Some(end) = self.settle().await.with_context(|| self.progress())? {
            return Ok(end);
        }
        self.link.send_close(code).await?;
        self.provoked(Provocation::Close(code)).await
    }

    /// Reads until the relay closes it for what it did, or for something else that came first.
    async fn provoked(mut self, provocation: Provocation) -> anyhow::Result<End> {
        self.read_to_close(provocation)
            .await
            .with_context(|| self.progress())
    }

    fn vanish(self, how: Vanish, end: End) -> anyhow::Result<End> {
        let Self {
            world,
            id,
            link,
            sent,
            received,
            ..
        } = self;
        link.vanish(how)?;
        let mut books = world.books();
        books.totals.frames_received_by_phones += received;
        books.ended(id, end, sent, world.now());
        Ok(end)
    }
}
