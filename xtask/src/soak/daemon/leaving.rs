//! The ways in which a daemon ends.

use anyhow::Context as _;

use super::claim::Predecessor;
use super::life::Daemon;
use crate::random::Random;
use crate::soak::link::Vanish;

/// How a daemon means to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    Close(u16),
    Drop,
    Reset,
    /// In the middle of a message.
    DropInFrame,
    ResetInFrame,
    /// With something that RFC 6455 forbids.
    Offend,
}

impl Leave {
    pub(super) fn any(random: &mut Random) -> Self {
        random.choose(&[
            (3, Self::Close(1000)),
            (1, Self::Close(4000)),
            (3, Self::Drop),
            (3, Self::Reset),
            (1, Self::DropInFrame),
            (1, Self::ResetInFrame),
            (2, Self::Offend),
        ])
    }

    /// What it is to the next one.
    pub(super) fn predecessor(self) -> Predecessor {
        match self {
            Self::Close(_) | Self::Offend => Predecessor::Gone,
            Self::Drop | Self::Reset | Self::DropInFrame | Self::ResetInFrame => {
                Predecessor::Crashed
            }
        }
    }
}

impl Daemon {
    pub(super) async fn leave(mut self, leave: Leave) -> anyhow::Result<()> {
        let says = self.says();
        self.begin_leaving();
        {
            let mut books = self.world.books();
            match leave {
                Leave::Close(_) => books.totals.daemons_left += 1,
                Leave::Drop
                | Leave::Reset
                | Leave::DropInFrame
                | Leave::ResetInFrame
                | Leave::Offend => books.totals.daemons_crashed += 1,
            }
        }
        let leaving = async {
            match leave {
                Leave::Close(code) => {
                    self.link.send_close(code).await?;
                    self.expect_close(code, false).await
                }
                Leave::Drop => self.link.vanish(Vanish::Drop),
                Leave::Reset => self.link.vanish(Vanish::Reset),
                Leave::DropInFrame => {
                    self.link.send_half().await?;
                    self.link.vanish(Vanish::Drop)
                }
                Leave::ResetInFrame => {
                    self.link.send_half().await?;
                    self.link.vanish(Vanish::Reset)
                }
                Leave::Offend => {
                    let code = self.link.offend().await?;
                    self.expect_close(code, true).await
                }
            }
        };
        leaving
            .await
            .with_context(|| format!("{says} leaves, {leave:?}"))
    }
}
