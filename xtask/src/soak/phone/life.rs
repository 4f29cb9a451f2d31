//! One phone connection while it is up: what it sends, and what it expects of each frame that comes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{sleep, timeout};

use super::{Plan, Style};
use crate::e2e::http::Request;
use crate::e2e::raw::Received;
use crate::random::Random;
use crate::soak::books::{Books, End, Provocation};
use crate::soak::link::{Door, Heard, Link, PATIENCE};
use crate::soak::message::{self, Ask, Down, Up, head};
use crate::soak::world::{Part, World, server_id};

/// Frames without an answer, beyond which a phone waits.
const WINDOW: u64 = 6;

/// Between two frames of one phone, in milliseconds.
const PACE: (u64, u64) = (50, 550);

/// One connection.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) world: Arc<World>,
    pub(super) id: u64,
    pub(super) link: Link,
    pub(super) random: Random,
    /// Frames sent.
    pub(super) sent: u64,
    /// Frames of these that were answered.
    pub(super) answered: u64,
    /// Frames received.
    pub(super) received: u64,
    /// It read nothing for some time.
    has_stalled: bool,
}

/// The request of a phone that the log names by its number.
pub(in crate::soak) fn request(server: usize, id: u64) -> Request {
    Request::phone(&server_id(server)).with("X-Pyrycode-Device-Name", &id.to_string())
}

impl Life {
    /// Dials, stays, leaves; says how it ended.
    ///
    /// # Errors
    ///
    /// The first thing that was not as it must be.
    pub(super) async fn run(
        world: &Arc<World>,
        server: usize,
        mut random: Random,
        plan: Plan,
    ) -> anyhow::Result<End> {
        let id = world.books().dialled(server, world.now());
        let door = match plan.style {
            Style::Stalls => Door::Narrow,
            Style::Talks | Style::Listens => Door::Plain,
        };
        let says = Random::new(random.next());
        let opened = Link::open(world.addr, &request(server, id), door, says).await;
        let whole = async {
            let mut life = Self {
                world: Arc::clone(world),
                id,
                link: opened?,
                random,
                sent: 0,
                answered: 0,
                received: 0,
                has_stalled: false,
            };
            match life.stay(plan).await.with_context(|| life.progress())? {
                Some(end) => Ok(end),
                None => Box::pin(life.leave(plan.leave)).await,
            }
        };
        whole
            .await
            .with_context(|| format!("phone {id} at server-{server}, {plan:?}"))
    }

    pub(super) fn progress(&self) -> String {
        let Self {
            sent,
            answered,
            received,
            ..
        } = self;
        format!("sent {sent}, answered {answered}, received {received}")
    }

    /// Does what its style says for its time; how it ended, if the relay closed it meanwhile.
    async fn stay(&mut self, plan: Plan) -> anyhow::Result<Option<End>> {
        let world = Arc::clone(&self.world);
        let mut over = pin!(world.pause(plan.time, Part::PhonesLeave));
        let mut turn = pin!(sleep(self.pace()));
        let is_silent = plan.style == Style::Listens;
        loop {
            tokio::select! {
                received = self.link.next() => {
                    let end = self.take(received?, Provocation::Nothing).await?;
                    if end.is_some() {
                        return Ok(end);
                    }
                }
                () = &mut turn, if !is_silent => {
                    if self.sent - self.answered < WINDOW {
                        let ask = self.ask();
                        self.speak(ask).await?;
                        if plan.style == Style::Stalls && self.random.chance(3) {
                            self.stall().await?;
                        }
                    }
                    turn.set(sleep(self.pace()));
                }
                _ = &mut over => return Ok(None),
            }
        }
    }

    fn pace(&mut self) -> Duration {
        self.random.millis(PACE.0, PACE.1)
    }

    fn ask(&mut self) -> Ask {
        if self.random.chance(2) {
            Ask::Burst {
                frames: self.random.between(2, 20),
                length: message::length(&mut self.random).min(16 * 1024),
            }
        } else {
            Ask::Echo
        }
    }

    /// Asks for more than the sockets between it and its daemon hold, and reads nothing for some seconds.
    async fn stall(&mut self) -> anyhow::Result<()> {
        self.speak(Ask::Burst {
            frames: 12,
            length: 16 * 1024,
        })
        .await?;
        self.has_stalled = true;
        let time = self.random.millis(1_000, 15_000);
        self.world.pause(time, Part::PhonesLeave).await;
        Ok(())
    }

    pub(super) async fn speak(&mut self, ask: Ask) -> anyhow::Result<()> {
        let up = Up {
            phone: self.id,
            number: self.sent,
            ask,
        };
        let length = message::length(&mut self.random);
        self.link.say(&up.text(length)).await?;
        self.sent += 1;
        Ok(())
    }

    /// Deals with what came; how the phone ended, if that was its end.
    pub(super) async fn take(
        &mut self,
        received: Received,
        provocation: Provocation,
    ) -> anyhow::Result<Option<End>> {
        let Some(heard) = self.link.digest(received).await? else {
            return Ok(None);
        };
        self.heard(heard, provocation).await
    }

    async fn heard(
        &mut self,
        heard: Heard,
        provocation: Provocation,
    ) -> anyhow::Result<Option<End>> {
        match heard {
            Heard::Pong(_) => Ok(None),
            Heard::Text(text) => {
                self.frame(&text)?;
                Ok(None)
            }
            Heard::Close(code, reason) => {
                let judge = |books: &Books| {
                    let close = (code, reason.as_str());
                    books.judge_close(self.id, provocation, close, self.received, self.world.now())
                };
                let how = judge(&self.world.books())?;
                if !matches!(how, End::Closed(_)) {
                    self.link.send_close(code).await?;
                }
                self.ended(how);
                match self.link.hear().await? {
                    Heard::End(_) => Ok(Some(how)),
                    other @ (Heard::Text(_) | Heard::Close(..) | Heard::Pong(_)) => {
                        bail!("{other:?} behind the close {code}")
                    }
                }
            }
            Heard::End(end) => {
                let may_be_cut =
                    self.has_stalled && self.world.books().may_be_cut(self.id, self.world.now());
                ensure!(
                    may_be_cut,
                    "{end:?} without a close; {provocation:?}, {}",
                    self.progress()
                );
                self.ended(End::Evicted);
                Ok(Some(End::Evicted))
            }
        }
    }

    /// Each frame is the next one, and each answer answers the next question.
    fn frame(&mut self, text: &str) -> anyhow::Result<()> {
        let down = Down::parse(text, self.id)?;
        ensure!(
            down.number == self.received,
            "frame {} of its daemon expected, got {down:?}: {}",
            self.received,
            head(text)
        );
        self.received += 1;
        if let Some(number) = down.answers {
            ensure!(
                number == self.answered && number < self.sent,
                "the answer to frame {} of {} expected, got {down:?}",
                self.answered,
                self.sent
            );
            self.answered += 1;
        }
        Ok(())
    }

    /// Reads until every frame is answered; how the phone ended, if the relay closed it meanwhile.
    pub(super) async fn settle(&mut self) -> anyhow::Result<Option<End>> {
        let answers = async {
            while self.answered < self.sent {
                let received = self.link.next().await?;
                let end = self.take(received, Provocation::Nothing).await?;
                if end.is_some() {
                    return Ok(end);
                }
            }
            anyhow::Ok(None)
        };
        // A frame that is lost with nothing behind it is found here. What a daemon that went had of it is not:
        // its phones are closed at the latest when its grace ends.
        match timeout(PATIENCE, answers).await {
            Ok(end) => end,
            Err(_) => bail!(
                "no answer for {PATIENCE:?} on a connection that stands: {}",
                self.progress()
            ),
        }
    }

    /// Reads until the relay closes it.
    pub(super) async fn read_to_close(&mut self, provocation: Provocation) -> anyhow::Result<End> {
        let reading = async {
            loop {
                let heard = self.link.hear().await?;
                if let Some(end) = self.heard(heard, provocation).await? {
                    return Ok(end);
                }
            }
        };
        timeout(PATIENCE, reading)
            .await
            .with_context(|| format!("no close for {PATIENCE:?}; {provocation:?}"))?
    }

    /// It is over, and how.
    pub(super) fn ended(&self, how: End) {
        let mut books = self.world.books();
        books.totals.frames_received_by_phones += self.received;
        books.ended(self.id, how, self.sent, self.world.now());
    }
}
