//! One daemon connection while it is up: every frame checked, every question answered.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::session::Session;
use crate::e2e::frame::Frame;
use crate::e2e::peer::Envelope;
use crate::random::Random;
use crate::soak::books::Directive;
use crate::soak::link::{Heard, Link, PATIENCE};
use crate::soak::message::{self, Ask, MAX_FRAME_TO_PHONE, Up};
use crate::soak::world::{Part, World};

/// Between two things that a daemon does on its own.
const INITIATIVE: Duration = Duration::from_millis(200);

/// After this, nothing can come any more of a phone that was closed by a directive.
const DIRECTED_FOR: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) world: Arc<World>,
    pub(super) server: usize,
    pub(super) life: u64,
    pub(super) link: Link,
    pub(super) random: Random,
    pub(super) sessions: HashMap<String, Session>,
    /// Others that claim its server-id while it answers.
    pub(super) rivals: JoinSet<anyhow::Result<()>>,
    /// Messages that came before the proof that it holds its server-id.
    early: Vec<String>,
}

impl Daemon {
    pub(super) fn of(
        world: &Arc<World>,
        server: usize,
        life: u64,
        link: Link,
        random: Random,
        early: Vec<String>,
    ) -> Self {
        Self {
            world: Arc::clone(world),
            server,
            life,
            link,
            random,
            sessions: HashMap::new(),
            rivals: JoinSet::new(),
            early,
        }
    }

    pub(super) fn says(&self) -> String {
        format!("daemon {} of server-{}", self.life, self.server)
    }

    /// Serves for a time; once phones leave, until daemons do.
    ///
    /// # Errors
    ///
    /// The first thing that was not as it must be; that includes any close by the relay.
    pub(super) async fn serve(&mut self, time: Duration) -> anyhow::Result<()> {
        let says = self.says();
        self.serve_unnamed(time).await.context(says)
    }

    async fn serve_unnamed(&mut self, time: Duration) -> anyhow::Result<()> {
        for text in std::mem::take(&mut self.early) {
            self.message(&text, true).await?;
        }
        let world = Arc::clone(&self.world);
        let mut time = pin!(sleep(time));
        let mut is_over = false;
        let mut over = pin!(world.begun(Part::DaemonsLeave));
        let mut initiative = interval(INITIATIVE);
        initiative.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Who is being asked for a sign of life has to give it.
            let may_leave = self.rivals.is_empty();
            if is_over && may_leave && !world.has_begun(Part::PhonesLeave) {
                return Ok(());
            }
            tokio::select! {
                received = self.link.next() => match self.link.digest(received?).await? {
                    Some(Heard::Text(text)) => self.message(&text, true).await?,
                    Some(Heard::Pong(_)) | None => {}
                    Some(other @ (Heard::Close(..) | Heard::End(_))) => {
                        bail!("{other:?} for no reason")
                    }
                },
                Some(rival) = self.rivals.join_next(), if !may_leave => rival??,
                _ = initiative.tick() => self.take_initiative().await?,
                () = &mut time, if !is_over => is_over = true,
                () = &mut over, if may_leave => return Ok(()),
            }
        }
    }

    /// Deals with a message, and answers it if it is still going to.
    async fn message(&mut self, text: &str, answers: bool) -> anyhow::Result<()> {
        match Envelope::parse(text)? {
            Envelope::Frame { conn_id, frame } => {
                let up = self
                    .frame(&conn_id, &frame)
                    .with_context(|| conn_id.clone())?;
                if answers {
                    self.answer(&conn_id, up, frame.len()).await?;
                }
            }
            Envelope::Notice {
                conn_id,
                close_code,
            } => {
                let session = self.sessions.remove(&conn_id);
                let received = session.map_or(0, |session| session.received);
                self.world
                    .books()
                    .noticed(self.life, &conn_id, close_code, received)
                    .context(conn_id)?;
            }
        }
        Ok(())
    }

    fn frame(&mut self, conn_id: &str, frame: &str) -> anyhow::Result<Up> {
        let up = Up::parse(frame)?;
        let mut books = self.world.books();
        books.totals.frames_received_by_daemons += 1;
        if !self.sessions.contains_key(conn_id) {
            books.introduced(self.server, self.life, conn_id, up.phone)?;
            self.sessions
                .insert(conn_id.to_owned(), Session::of(up.phone));
        }
        let session = self.sessions.get_mut(conn_id).context("just inserted")?;
        session.take(up)?;
        Ok(up)
    }

    async fn answer(&mut self, conn_id: &str, up: Up, length: usize) -> anyhow::Result<()> {
        match up.ask {
            Ask::Echo => self.tell(conn_id, Some(up.number), length).await,
            Ask::Burst { frames, length } => {
                for left in (0..frames).rev() {
                    let answers = (left == 0).then_some(up.number);
                    self.tell(conn_id, answers, length).await?;
                }
                Ok(())
            }
            Ask::Close { code, last_word } => {
                self.direct(conn_id, code, last_word.then_some(up.number))
                    .await
            }
        }
    }

    /// Sends the next frame to a phone, unless it was told to go.
    pub(super) async fn tell(
        &mut self,
        conn_id: &str,
        answers: Option<u64>,
        length: usize,
    ) -> anyhow::Result<()> {
        let Some(session) = self.open_session(conn_id) else {
            return Ok(());
        };
        let phone = session.phone;
        let frame = session
            .next(answers)
            .text(phone, length.min(MAX_FRAME_TO_PHONE));
        self.world.books().totals.frames_sent_by_daemons += 1;
        self.link
            .say(&format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#))
            .await
    }

    /// Has a phone closed, behind a last frame if that answers something.
    pub(super) async fn direct(
        &mut self,
        conn_id: &str,
        code: u16,
        answers: Option<u64>,
    ) -> anyhow::Result<()> {
        let now = self.world.now();
        let length = message::length(&mut self.random).min(MAX_FRAME_TO_PHONE - 20);
        let Some(session) = self.open_session(conn_id) else {
            return Ok(());
        };
        session.directed_at = Some(now);
        let phone = session.phone;
        let frame = answers.map(|_| session.next(answers).text(phone, length));
        let directive = Directive {
            code,
            frames: session.sent,
        };
        {
            let mut books = self.world.books();
            books.totals.frames_sent_by_daemons += u64::from(frame.is_some());
            books.directed(phone, directive);
        }
        let frame = frame.map_or_else(String::new, |frame| format!(r#""frame":{frame},"#));
        self.link
            .say(&format!(
                r#"{{"conn_id":"{conn_id}",{frame}"close_code":{code}}}"#
            ))
            .await
    }

    fn open_session(&mut self, conn_id: &str) -> Option<&mut Session> {
        self.sessions
            .get_mut(conn_id)
            .filter(|session| session.directed_at.is_none())
    }

    /// Forgets phones that were told to go long ago: no notice comes for them.
    pub(super) fn forget_directed(&mut self) {
        let now = self.world.now();
        self.sessions.retain(|_, session| {
            session
                .directed_at
                .is_none_or(|directed_at| directed_at + DIRECTED_FOR > now)
        });
    }

    /// From here on, whether it still holds its server-id is the relay's to find out.
    pub(super) fn begin_leaving(&self) {
        let now = self.world.now();
        self.world.books().leaving(self.server, self.life, now);
    }

    /// Waits until the relay has read everything it said, and answers nothing meanwhile.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        self.link.send(&Frame::ping("settled?")).await?;
        loop {
            match self.link.hear().await? {
                Heard::Text(text) => self.message(&text, false).await?,
                Heard::Pong(payload) if payload == "settled?" => return Ok(()),
                Heard::Pong(_) => {}
                other @ (Heard::Close(..) | Heard::End(_)) => bail!("{other:?} for no reason"),
            }
        }
    }

    /// Reads, and checks, what comes before the close; returns that.
    pub(super) async fn read_to_close(&mut self) -> anyhow::Result<(u16, String)> {
        let reading = async {
            loop {
                match self.link.hear().await? {
                    Heard::Text(text) => self.message(&text, false).await?,
                    Heard::Pong(_) => {}
                    Heard::Close(code, reason) => return Ok((code, reason)),
                    Heard::End(end) => bail!("{end:?} without a close"),
                }
            }
        };
        timeout(PATIENCE, reading)
            .await
            .with_context(|| format!("no close for {PATIENCE:?}"))?
    }

    /// The relay closes with this status.
    pub(super) async fn expect_close(mut self, expected: u16, answers: bool) -> anyhow::Result<()> {
        let (code, reason) = self.read_to_close().await?;
        ensure!(
            code == expected,
            "close {expected} expected, got {code} `{reason}`"
        );
        if answers {
            self.link.answer_close(code).await
        } else {
            self.link.end().await
        }
    }
}
