//! The drain proof: two thousand peers with live traffic both ways, and a SIGTERM in the middle of it.
//!
//! Every peer must read 1001 `shutting down`; no stream may end otherwise, and no frame may be missing before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::Scenario;
use crate::clock::Stopwatch;
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::peer::{Envelope, Peer};
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[scenario!(drain_proof_two_thousand_peers_lose_nothing)
    .within(Duration::from_secs(900))
    .alone()];

const SERVERS: usize = 125;
const PHONES_PER_SERVER: usize = 15;
const PHONES: usize = SERVERS * PHONES_PER_SERVER;

/// Frames a phone has under way: enough that some are in every queue when the signal comes.
const WINDOW: u64 = 4;

/// Messages the peers have received by the time of the signal.
const MIDDLE: u64 = 30_000;

const DEFAULT_ROUNDS: u32 = 20;

/// Fewer than a listener's backlog.
const DIALS_AT_A_TIME: usize = 64;

async fn drain_proof_two_thousand_peers_lose_nothing(stage: &Stage) -> anyhow::Result<()> {
    let rounds = stage.rounds(DEFAULT_ROUNDS);
    let mut slowest = Duration::ZERO;
    for number in 1..=rounds {
        let drained = round(stage)
            .await
            .with_context(|| format!("round {number} of {rounds}"))?;
        slowest = slowest.max(drained);
    }
    println!(
        "     {rounds} rounds of {} peers, the slowest drain took {slowest:?}",
        SERVERS + PHONES
    );
    Ok(())
}

/// What the peers of one round share.
struct Traffic {
    dials: Semaphore,
    /// Phones whose first frame came back.
    joined: AtomicUsize,
    received: AtomicU64,
    moved: Notify,
}

impl Traffic {
    fn count_received(&self) {
        if self.received.fetch_add(1, Ordering::Relaxed) >= MIDDLE {
            self.moved.notify_one();
        }
    }

    /// Waits until every phone has joined and enough has been received.
    async fn middle(&self) {
        while self.joined.load(Ordering::Relaxed) < PHONES
            || self.received.load(Ordering::Relaxed) < MIDDLE
        {
            self.moved.notified().await;
        }
    }
}

/// One relay, filled, stopped and checked; how long it took to stop.
async fn round(stage: &Stage) -> anyhow::Result<Duration> {
    let mut relay = stage.relay().await?;
    let traffic = Arc::new(Traffic {
        dials: Semaphore::new(DIALS_AT_A_TIME),
        joined: AtomicUsize::new(0),
        received: AtomicU64::new(0),
        moved: Notify::new(),
    });
    let mut binaries = Vec::new();
    for server in 0..SERVERS {
        let server_id = format!("server-{server}");
        let binary = relay.raw_binary(&server_id).await?;
        binaries.push((server_id, binary));
    }
    let mut peers = JoinSet::new();
    for (server_id, binary) in binaries {
        for _ in 0..PHONES_PER_SERVER {
            peers.spawn(play_phone(
                relay.addr(),
                server_id.clone(),
                Arc::clone(&traffic),
            ));
        }
        peers.spawn(play_binary(binary, Arc::clone(&traffic)));
    }
    tokio::select! {
        () = traffic.middle() => {}
        Some(ended) = peers.join_next() => bail!("a peer ended before the signal: {:?}", ended?),
    }
    relay.signal(Signal::TERM)?;
    let stopwatch = Stopwatch::start();
    // Peers and process end together: the drain is over when the process is.
    let (ended, exited) = tokio::join!(peers.join_all(), relay.exit());
    let elapsed = stopwatch.elapsed();

    let failures: Vec<String> = ended
        .into_iter()
        .filter_map(Result::err)
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(
        failures.is_empty(),
        "{} peers saw no clean end, the first: {}",
        failures.len(),
        failures[0]
    );
    let (status, _) = exited?;
    ensure!(status.code() == Some(0), "the relay ended with {status}");
    Ok(elapsed)
}

/// Sends numbered frames, expects numbered frames, until 1001.
async fn play_phone(
    addr: std::net::SocketAddr,
    server_id: String,
    traffic: Arc<Traffic>,
) -> anyhow::Result<()> {
    let mut phone = {
        let _dial = traffic.dials.acquire().await?;
        Peer::upgrade(addr, &Request::phone(&server_id)).await?
    };
    let (mut sent, mut received) = (0, 0);
    while sent < WINDOW {
        phone.send(sent.to_string()).await?;
        sent += 1;
    }
    loop {
        match phone
            .message()
            .await
            .with_context(|| format!("after {received} frames"))?
        {
            Some(Message::Text(text)) => {
                ensure!(
                    text.as_str() == received.to_string(),
                    "frame {received} expected, got {text}"
                );
                received += 1;
                if received == 1 {
                    traffic.joined.fetch_add(1, Ordering::Relaxed);
                }
                traffic.count_received();
                phone.send(sent.to_string()).await?;
                sent += 1;
            }
            Some(Message::Close(Some(close))) => {
                ensure!(
                    u16::from(close.code) == 1001 && close.reason.as_str() == "shutting down",
                    "{close:?}"
                );
                return phone.expect_end().await.context("after the close");
            }
            other => bail!("{other:?} after {received} frames"),
        }
    }
}

/// What a binary knows of one of its phones.
#[derive(Default)]
struct Session {
    received: u64,
    sent: u64,
    noticed: bool,
}

/// Answers every frame with a numbered one, until a notice for each phone and then 1001.
async fn play_binary(mut binary: RawPeer, traffic: Arc<Traffic>) -> anyhow::Result<()> {
    let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
    loop {
        let frame = binary.frame().await.context("a binary")?;
        match frame.opcode {
            opcode::TEXT => match Envelope::parse(std::str::from_utf8(&frame.payload)?)? {
                Envelope::Frame { conn_id, frame } => {
                    let session = sessions.entry(conn_id.clone()).or_default();
                    ensure!(!session.noticed, "{conn_id}: a frame after the notice");
                    ensure!(
                        frame == session.received.to_string(),
                        "{conn_id}: frame {} expected, got {frame}",
                        session.received
                    );
                    session.received += 1;
                    traffic.count_received();
                    let reply = format!(r#"{{"conn_id":"{conn_id}","frame":{}}}"#, session.sent);
                    session.sent += 1;
                    binary.send_text(&reply).await?;
                }
                Envelope::Notice {
                    conn_id,
                    close_code,
                } => {
                    let session = sessions
                        .get_mut(&conn_id)
                        .with_context(|| format!("{conn_id}: never heard of"))?;
                    ensure!(!session.noticed, "{conn_id}: a second notice");
                    ensure!(close_code == 1001, "{conn_id}: noticed with {close_code}");
                    session.noticed = true;
                }
            },
            opcode::CLOSE => {
                ensure!(
                    frame == Frame::close(1001, "shutting down").unmasked(),
                    "{frame:?}"
                );
                binary.send(&Frame::close(1001, "")).await?;
                binary
                    .expect_eof()
                    .await
                    .context("after a binary's close")?;
                let noticed = sessions.values().filter(|session| session.noticed).count();
                ensure!(
                    noticed == PHONES_PER_SERVER,
                    "{noticed} of {PHONES_PER_SERVER} phones were noticed before the close"
                );
                return Ok(());
            }
            _ => bail!("{frame:?}"),
        }
    }
}
