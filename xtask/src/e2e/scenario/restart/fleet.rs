//! A fleet of daemons and phones that comes back at once, as real ones do, and what restarts look like from there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::clock::Stopwatch;
use crate::e2e::http::Request;
use crate::e2e::peer::{Envelope, Peer};
use crate::e2e::stage::Stage;

const SERVERS: usize = 250;
const PEERS: usize = 2 * SERVERS;
const DEFAULT_ROUNDS: u32 = 10;

/// Phones that never stop sending; the others send once after each return.
const BUSY_PHONES: usize = 25;

/// From a peer's close to its return, its own retries included.
const BACK_WITHIN: Duration = Duration::from_secs(1);

/// What the peers of a fleet share.
struct Fleet {
    addr: SocketAddr,
    /// Returns so far, of all peers together, the first arrival included.
    returns: watch::Sender<usize>,
    /// Phones that came back before their daemon.
    early: AtomicUsize,
    slowest: watch::Sender<Duration>,
    /// Nobody comes back any more.
    is_over: AtomicBool,
}

impl Fleet {
    /// Notes a return, and how long after the close it came.
    fn is_back(&self, since_close: Option<Stopwatch>) -> anyhow::Result<()> {
        let after = since_close.map_or(Duration::ZERO, Stopwatch::elapsed);
        self.slowest
            .send_if_modified(|slowest| std::mem::replace(slowest, after.max(*slowest)) < after);
        self.returns.send_modify(|returns| *returns += 1);
        ensure!(after <= BACK_WITHIN, "back only {after:?} after the close");
        Ok(())
    }

    /// The stopwatch of a peer that was told 1001; `None` when it was for good.
    async fn told(
        &self,
        peer: &mut Peer,
        message: Option<Message>,
    ) -> anyhow::Result<Option<Stopwatch>> {
        let told = Stopwatch::start();
        match message {
            Some(Message::Close(Some(close)))
                if u16::from(close.code) == 1001 && close.reason.as_str() == "shutting down" => {}
            other => bail!("1001 expected, got {other:?}"),
        }
        peer.expect_end().await.context("after the close")?;
        Ok(Some(told).filter(|_| !self.is_over.load(Ordering::SeqCst)))
    }
}

pub(super) async fn ten_restarts_under_five_hundred_peers_refuse_nobody(
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut relay = stage.relay_with_successors(stage.binary(), &[]).await?;
    let fleet = Arc::new(Fleet {
        addr: relay.addr(),
        returns: watch::Sender::new(0),
        early: AtomicUsize::new(0),
        slowest: watch::Sender::new(Duration::ZERO),
        is_over: AtomicBool::new(false),
    });
    let mut peers = JoinSet::new();
    for server in 0..SERVERS {
        peers.spawn(play_daemon(Arc::clone(&fleet), server));
        peers.spawn(play_phone(Arc::clone(&fleet), server));
    }
    let rounds = stage.rounds(DEFAULT_ROUNDS);
    for round in 1..=rounds {
        all_back(&fleet, &mut peers, round).await?;
        relay.upgrade().await?;
    }
    all_back(&fleet, &mut peers, rounds + 1).await?;
    fleet.is_over.store(true, Ordering::SeqCst);
    relay.signal(Signal::TERM)?;
    for ended in peers.join_all().await {
        ended?;
    }
    relay.log().ended().await;
    // One summary of each process, and nobody was cut in any.
    ensure!(relay.log().count("drain incomplete") == 0, "peers were cut");
    let complete = relay.log().count("shutdown complete");
    ensure!(complete == rounds as usize + 1, "{complete} summaries");
    println!(
        "     {rounds} restarts under {PEERS} peers, everybody back within {:?}, {} phones before their daemon",
        *fleet.slowest.borrow(),
        fleet.early.load(Ordering::Relaxed)
    );
    Ok(())
}

/// Waits until everybody has come (back) for the `round`th time.
async fn all_back(
    fleet: &Fleet,
    peers: &mut JoinSet<anyhow::Result<()>>,
    round: u32,
) -> anyhow::Result<()> {
    let mut returns = fleet.returns.subscribe();
    let expected = PEERS * round as usize;
    tokio::select! {
        back = returns.wait_for(|returns| *returns >= expected) => {
            let back = *back?;
            ensure!(back == expected, "{back} returns, {expected} expected");
            Ok(())
        }
        Some(ended) = peers.join_next() => match ended? {
            Ok(()) => bail!("a peer ended in round {round}"),
            Err(error) => Err(error.context(format!("in round {round}"))),
        },
    }
}

/// Answers every frame, and is back at once.
async fn play_daemon(fleet: Arc<Fleet>, server: usize) -> anyhow::Result<()> {
    let request = Request::binary(&format!("server-{server}"));
    let mut since_close = None;
    loop {
        let mut daemon = Peer::upgrade(fleet.addr, &request)
            .await
            .with_context(|| format!("daemon {server}"))?;
        fleet.is_back(since_close)?;
        let last = loop {
            match daemon.message().await? {
                Some(Message::Text(text)) => {
                    if let Envelope::Frame { conn_id, frame } = Envelope::parse(text.as_str())? {
                        daemon.send_to(&conn_id, &frame).await?;
                    }
                }
                last => break last,
            }
        };
        since_close = fleet
            .told(&mut daemon, last)
            .await
            .with_context(|| format!("daemon {server}"))?;
        if since_close.is_none() {
            return Ok(());
        }
    }
}

/// Is back when its daemon has answered; until then it tries again when it is told that its daemon is not there.
async fn play_phone(fleet: Arc<Fleet>, server: usize) -> anyhow::Result<()> {
    let request = Request::phone(&format!("server-{server}"));
    let mut since_close = None;
    loop {
        let mut phone = Peer::upgrade(fleet.addr, &request)
            .await
            .with_context(|| format!("phone {server}"))?;
        phone.send("0").await?;
        let mut answers = 0;
        let last = loop {
            match phone.message().await? {
                Some(Message::Text(_)) => {
                    answers += 1;
                    if answers == 1 {
                        fleet.is_back(since_close)?;
                    }
                    if server < BUSY_PHONES {
                        phone.send("1").await?;
                    }
                }
                last => break last,
            }
        };
        match &last {
            Some(Message::Close(Some(close))) if answers == 0 && u16::from(close.code) == 4404 => {
                fleet.early.fetch_add(1, Ordering::Relaxed);
                phone.expect_end().await.context("after 4404")?;
            }
            _ => {
                since_close = fleet
                    .told(&mut phone, last)
                    .await
                    .with_context(|| format!("phone {server}"))?;
                if since_close.is_none() {
                    return Ok(());
                }
            }
        }
    }
}
