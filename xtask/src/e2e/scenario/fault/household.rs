//! A daemon that answers every frame with the same frame, and two of its phones that never stop asking.
//!
//! What a fault does elsewhere must not be felt here: no frame lost, doubled or out of order, and none late.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::clock::Stopwatch;
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::peer::Envelope;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;

/// Between an answer and the next question.
const PACE: Duration = Duration::from_millis(5);

/// Of a hundred round trips, 99 take no longer. Without a fault they take a millisecond; beside seven other scenarios
/// on two cores now and then a hundred.
const SOON: Duration = Duration::from_millis(500);

const SIBLINGS: usize = 2;

/// What a drain says.
const SHUTTING_DOWN: (u16, &str) = (1001, "shutting down");

/// What a daemon has heard of one phone.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    pub(super) frames: Vec<String>,
    pub(super) notice: Option<u16>,
}

/// A daemon on a task of its own.
#[derive(Debug)]
pub(super) struct Daemon {
    to_send: mpsc::Sender<Frame>,
    sessions: watch::Receiver<BTreeMap<String, Session>>,
    playing: JoinSet<anyhow::Result<Ended>>,
}

/// How a peer on a task came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was asked to leave, and did.
    Left,
    /// The relay closed with this code and reason, and then in order.
    Closed(u16, String),
}

impl Daemon {
    /// Has this peer answer.
    pub(super) fn new(peer: RawPeer) -> Self {
        let (to_send, sending) = mpsc::channel(16);
        let (tell, sessions) = watch::channel(BTreeMap::new());
        let mut playing = JoinSet::new();
        playing.spawn(answer(peer, sending, tell));
        Self {
            to_send,
            sessions,
            playing,
        }
    }

    /// Has it send a frame to a phone.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) async fn send_to(&self, conn_id: &str, frame: &str) -> anyhow::Result<()> {
        let envelope = format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#);
        let sent = self.to_send.send(Frame::text(envelope)).await;
        sent.context("the daemon has ended")
    }

    /// What it has heard of a phone by the time that phone's end is told.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) async fn farewell(&self, conn_id: &str) -> anyhow::Result<Session> {
        self.hears(conn_id, |session| session.notice.is_some())
            .await
    }

    /// Waits until it has heard enough of a phone.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub(super) async fn hears(
        &self,
        conn_id: &str,
        enough: impl Fn(&Session) -> bool,
    ) -> anyhow::Result<Session> {
        let mut sessions = self.sessions.clone();
        let heard = sessions.wait_for(|all| all.get(conn_id).is_some_and(&enough));
        let heard = heard.await.context("the daemon has ended")?;
        heard.get(conn_id).cloned().context("just heard of")
    }

    /// How it ended, once it has.
    ///
    /// # Errors
    ///
    /// Not in order, or the relay has told it what it must not.
    pub(super) async fn ended(mut self) -> anyhow::Result<Ended> {
        self.playing.join_next().await.context("already asked")??
    }

    /// Closes its leg.
    ///
    /// # Errors
    ///
    /// It had ended, or does not end in order.
    pub(super) async fn leave(self) -> anyhow::Result<()> {
        self.to_send.send(Frame::close(1000, "")).await?;
        let ended = self.ended().await?;
        ensure!(ended == Ended::Left, "{ended:?}");
        Ok(())
    }
}

async fn answer(
    mut peer: RawPeer,
    mut sending: mpsc::Receiver<Frame>,
    tell: watch::Sender<BTreeMap<String, Session>>,
) -> anyhow::Result<Ended> {
    let mut leaves = false;
    loop {
        let frame = tokio::select! {
            Some(frame) = sending.recv() => {
                leaves |= frame.opcode == opcode::CLOSE;
                peer.send(&frame).await?;
                continue;
            }
            frame = peer.frame() => frame.context("a daemon")?,
        };
        match frame.opcode {
            opcode::CLOSE if leaves => {
                peer.expect_eof().await?;
                return Ok(Ended::Left);
            }
            opcode::CLOSE => return closed(&mut peer, &frame).await,
            opcode::TEXT => match Envelope::parse(std::str::from_utf8(&frame.payload)?)? {
                Envelope::Frame { conn_id, frame } => {
                    let reply = format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#);
                    let mut noticed = false;
                    tell.send_modify(|sessions| {
                        let session = sessions.entry(conn_id.clone()).or_default();
                        noticed = session.notice.is_some();
                        session.frames.push(frame);
                    });
                    ensure!(!noticed, "{conn_id}: a frame after the notice");
                    if !leaves {
                        peer.send_text(&reply).await?;
                    }
                }
                Envelope::Notice {
                    conn_id,
                    close_code,
                } => {
                    let mut before = None;
                    tell.send_modify(|sessions| {
                        let session = sessions.entry(conn_id.clone()).or_default();
                        before = session.notice.replace(close_code);
                    });
                    ensure!(before.is_none(), "{conn_id}: a second notice");
                }
            },
            _ => bail!("{frame:?}"),
        }
    }
}

async fn closed(peer: &mut RawPeer, frame: &Frame) -> anyhow::Result<Ended> {
    let (code, reason) = frame.close_status()?;
    let code = code.context("a close without a code")?;
    peer.send(&Frame::close(code, "")).await?;
    peer.expect_eof().await?;
    Ok(Ended::Closed(code, reason.to_owned()))
}

/// The daemon and its two phones.
#[derive(Debug)]
pub(super) struct Household {
    pub(super) daemon: Daemon,
    siblings: JoinSet<anyhow::Result<Conversation>>,
    answers: watch::Sender<usize>,
    over: watch::Sender<bool>,
}

/// How a sibling fared.
#[derive(Debug)]
struct Conversation {
    round_trips: Vec<Duration>,
    ended: Ended,
}

impl Household {
    /// Moves in under a server-id.
    ///
    /// # Errors
    ///
    /// One of them was not let in.
    pub(super) async fn new(relay: &Relay, server_id: &str) -> anyhow::Result<Self> {
        let daemon = Daemon::new(relay.raw_binary(server_id).await?);
        let answers = watch::Sender::new(0);
        let over = watch::Sender::new(false);
        let mut siblings = JoinSet::new();
        for _ in 0..SIBLINGS {
            let (phone, _) = relay.raw_phone(server_id).await?;
            siblings.spawn(converse(phone, answers.clone(), over.subscribe()));
        }
        Ok(Self {
            daemon,
            siblings,
            answers,
            over,
        })
    }

    /// Waits until the siblings were answered so many times more.
    ///
    /// # Errors
    ///
    /// One of them has ended.
    pub(super) async fn goes_on(&mut self, answers: usize) -> anyhow::Result<()> {
        let mut answered = self.answers.subscribe();
        let wanted = *answered.borrow() + answers;
        tokio::select! {
            reached = answered.wait_for(|count| *count >= wanted) => {
                reached.context("no sibling is left")?;
                Ok(())
            }
            Some(ended) = self.siblings.join_next() => bail!("a sibling has ended: {:?}", ended?),
        }
    }

    /// Nobody here has felt anything; they leave.
    ///
    /// # Errors
    ///
    /// Somebody has.
    pub(super) async fn expect_undisturbed(self) -> anyhow::Result<()> {
        self.over.send_replace(true);
        expect_all(self.siblings, &Ended::Left).await?;
        self.daemon.leave().await
    }

    /// Everybody here had what they asked for, and was told of the drain.
    ///
    /// # Errors
    ///
    /// Somebody was not.
    pub(super) async fn expect_drained(self) -> anyhow::Result<()> {
        let (code, reason) = SHUTTING_DOWN;
        let drained = Ended::Closed(code, reason.to_owned());
        expect_all(self.siblings, &drained).await?;
        let ended = self.daemon.ended().await?;
        ensure!(ended == drained, "the daemon: {ended:?}");
        Ok(())
    }
}

async fn expect_all(
    siblings: JoinSet<anyhow::Result<Conversation>>,
    expected: &Ended,
) -> anyhow::Result<()> {
    for conversation in siblings.join_all().await {
        let Conversation {
            mut round_trips,
            ended,
        } = conversation.context("a sibling")?;
        ensure!(ended == *expected, "a sibling ended with {ended:?}");
        round_trips.sort_unstable();
        let slow = round_trips.get(round_trips.len() * 99 / 100).copied();
        let slow = slow.context("a sibling was never answered")?;
        ensure!(slow <= SOON, "a hundredth of the round trips took {slow:?}");
    }
    Ok(())
}

/// Asks with one number after the other, and expects each back.
async fn converse(
    mut phone: RawPeer,
    answers: watch::Sender<usize>,
    mut over: watch::Receiver<bool>,
) -> anyhow::Result<Conversation> {
    let mut pace = interval(PACE);
    let mut round_trips = Vec::new();
    let mut asked: Option<Stopwatch> = None;
    let ended = loop {
        let number = round_trips.len().to_string();
        tokio::select! {
            _ = pace.tick(), if asked.is_none() => {
                phone.send_text(&number).await?;
                asked = Some(Stopwatch::start());
            }
            frame = phone.frame() => {
                let frame = frame?;
                if frame.opcode == opcode::CLOSE {
                    break closed(&mut phone, &frame).await?;
                }
                ensure!(
                    frame == Frame::text(number.as_str()).unmasked(),
                    "{number} expected, got {frame:?}"
                );
                let asked = asked.take().context("an answer without a question")?;
                round_trips.push(asked.elapsed());
                answers.send_modify(|count| *count += 1);
            }
            () = becomes_true(&mut over), if asked.is_none() => {
                phone.send(&Frame::close(1000, "")).await?;
                let echo = phone.close_frame().await?;
                ensure!(echo == (Some(1000), String::new()), "{echo:?}");
                phone.expect_eof().await?;
                break Ended::Left;
            }
        }
    };
    Ok(Conversation { round_trips, ended })
}

async fn becomes_true(over: &mut watch::Receiver<bool>) {
    // An error is the end of the household, which is the end too.
    let _ = over.wait_for(|over| *over).await;
}
