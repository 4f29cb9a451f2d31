//! Restarts without a gap: a fleet that notices nothing but its 1001, a successor that fails, sockets that stay open.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::Scenario;
use crate::clock::Stopwatch;
use crate::e2e::http::Request;
use crate::e2e::log::Mark;
use crate::e2e::peer::{Envelope, Peer};
use crate::e2e::ports;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(ten_restarts_under_five_hundred_peers_refuse_nobody)
        .within(Duration::from_secs(180))
        .alone(),
    scenario!(a_successor_that_fails_leaves_the_relay_serving),
    scenario!(an_upgrade_lets_a_half_said_request_finish),
    scenario!(a_spread_drain_tells_daemons_in_turn_and_their_phones_behind_them),
    scenario!(a_stop_kills_a_successor_that_does_not_serve_yet),
    scenario!(connects_wait_in_a_socket_from_outside_while_no_relay_runs),
];

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

async fn ten_restarts_under_five_hundred_peers_refuse_nobody(stage: &Stage) -> anyhow::Result<()> {
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

/// A directory of this scenario's own, removed when dropped.
struct Installed(PathBuf);

impl Installed {
    /// By another process: what this one has open for writing, a child of a neighbouring scenario may hold.
    async fn copy(&self, from: &std::path::Path) -> anyhow::Result<()> {
        let status = Command::new("cp")
            .arg("--remove-destination")
            .args([from, &self.executable()])
            .status()
            .await?;
        ensure!(status.success(), "cp ended with {status}");
        Ok(())
    }

    /// A shell script in place of the relay; by another process, as above.
    async fn write(&self, script: &str) -> anyhow::Result<()> {
        let write = format!(r#"rm "$0"; printf '#!/bin/sh\n{script}\n' >"$0"; chmod 755 "$0""#);
        let status = Command::new("/bin/sh")
            .args(["-c", &write])
            .arg(self.executable())
            .status()
            .await?;
        ensure!(status.success(), "sh ended with {status}");
        Ok(())
    }

    async fn of(stage: &Stage, name: &str) -> anyhow::Result<Self> {
        let directory = format!("pyrycode-relay-e2e-{}-{name}", std::process::id());
        let installed = Self(std::env::temp_dir().join(directory));
        std::fs::create_dir(&installed.0)?;
        installed.copy(stage.binary()).await?;
        Ok(installed)
    }

    fn executable(&self) -> PathBuf {
        self.0.join("pyrycode-relay")
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn a_successor_that_fails_leaves_the_relay_serving(stage: &Stage) -> anyhow::Result<()> {
    let installed = Installed::of(stage, "fails").await?;
    let executable = installed.executable();
    let mut relay = stage.relay_with_successors(&executable, &[]).await?;
    let mut binary = relay.binary("s").await?;

    installed.copy("/bin/false".as_ref()).await?;
    for _ in 0..2 {
        let mark = relay.log().mark();
        relay.signal(Signal::USR2)?;
        let told = relay.log().event(mark, "upgrade failed; serving on", &[]);
        let err = told.await?.get("err").map(str::to_owned);
        ensure!(
            err.as_deref()
                .is_some_and(|err| err.contains("exit status: 1")),
            "{err:?}"
        );
    }
    std::fs::remove_file(&executable)?;
    let mark = relay.log().mark();
    relay.signal(Signal::USR2)?;
    relay
        .log()
        .event(mark, "upgrade failed; serving on", &[])
        .await?;

    // Whoever was there still is, others still come, and the next try succeeds.
    let (mut phone, conn_id) = relay.phone("s").await?;
    phone.send("1").await?;
    binary.expect_frame(&conn_id, "1").await?;
    installed.copy(stage.binary()).await?;
    let peers = async {
        binary.expect_notice(&conn_id, 1001).await?;
        binary.expect_close(1001, "shutting down").await?;
        phone.expect_close(1001, "shutting down").await
    };
    tokio::try_join!(relay.upgrade(), peers)?;
    relay.get("/readyz").await?.expect(200)
}

async fn an_upgrade_lets_a_half_said_request_finish(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay_with_successors(stage.binary(), &[]).await?;
    let request = Request::binary("s").bytes();
    let (first, second) = request.split_at(request.len() / 2);
    let mut newcomer = RawPeer::dial(relay.addr()).await?;
    newcomer.send_bytes(first).await?;
    // An answer on another connection: the relay has accepted the one before it.
    relay.get("/readyz").await?.expect(200)?;

    relay.upgrade().await?;
    let mark = relay.log().mark();
    newcomer.send_bytes(second).await?;
    newcomer.response().await?.expect(101)?;
    newcomer.expect_close(1001, "shutting down").await?;
    relay
        .log()
        .event(mark, "shutdown complete", &[("cut", "0")])
        .await?;
    relay.get("/readyz").await?.expect(200)
}

async fn a_spread_drain_tells_daemons_in_turn_and_their_phones_behind_them(
    stage: &Stage,
) -> anyhow::Result<()> {
    const PAIRS: u32 = 10;
    const SPREAD: Duration = Duration::from_secs(1);
    let flags = ["--drain-spread=1s"];
    let mut relay = stage.relay_with_successors(stage.binary(), &flags).await?;
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let server_id = format!("server-{pair}");
        let daemon = relay.binary(&server_id).await?;
        let (phone, conn_id) = relay.phone(&server_id).await?;
        pairs.push((daemon, phone, conn_id));
    }
    let start = Stopwatch::start();
    relay.upgrade().await?;
    let told = pairs.iter_mut().map(async |(daemon, phone, conn_id)| {
        daemon.expect_notice(conn_id, 1001).await?;
        daemon.expect_close(1001, "shutting down").await?;
        let after = start.elapsed();
        phone.expect_close(1001, "shutting down").await?;
        anyhow::Ok((after, start.elapsed()))
    });
    let told = futures_util::future::try_join_all(told).await?;
    // The last daemon's turn is a tenth before half of the time, from a moment after the start; timers are never early.
    let daemons = told.iter().map(|(daemon, _)| *daemon);
    let last = daemons.max().unwrap_or_default();
    let turn = SPREAD / 2 / PAIRS * (PAIRS - 1);
    ensure!(last >= turn, "the last daemon was told after {last:?}");
    let all = told.iter().map(|(_, phone)| *phone).max();
    ensure!(all.unwrap_or_default() > last, "{told:?}");
    relay
        .log()
        .event(Mark::default(), "shutdown complete", &[("cut", "0")])
        .await?;
    Ok(())
}

async fn a_stop_kills_a_successor_that_does_not_serve_yet(stage: &Stage) -> anyhow::Result<()> {
    let installed = Installed::of(stage, "hangs").await?;
    let executable = installed.executable();
    let mut relay = stage.relay_with_successors(&executable, &[]).await?;
    installed.write("exec sleep 600").await?;
    let mark = relay.log().mark();
    relay.signal(Signal::USR2)?;
    relay.log().event(mark, "upgrade begun", &[]).await?;
    relay.signal(Signal::TERM)?;
    // Its end is that of its standard error too, which the successor shares.
    relay.exits_cleanly_within(Duration::from_secs(2)).await
}

async fn connects_wait_in_a_socket_from_outside_while_no_relay_runs(
    stage: &Stage,
) -> anyhow::Result<()> {
    let addr = ports::free()?;
    let socket = TcpListener::bind(addr)?;
    for _ in 0..3 {
        let mut early = RawPeer::dial(addr).await?;
        early.send_bytes(&Request::get("/readyz").bytes()).await?;
        let mut relay = stage.relay_on(&socket, addr)?;
        early.response().await?.expect(200)?;
        relay.signal(Signal::TERM)?;
        relay.exits_cleanly_within(Duration::from_secs(2)).await?;
    }
    Ok(())
}
