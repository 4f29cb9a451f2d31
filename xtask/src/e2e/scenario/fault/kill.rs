//! A relay that is killed in the middle of its work and started again: everybody is back, on the same port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;

use crate::e2e::http::Request;
use crate::e2e::peer::{Envelope, Peer};
use crate::e2e::ports;
use crate::e2e::relay::Relay;
use crate::e2e::scenario::Scenario;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(a_relay_killed_under_load_is_back_at_once_and_so_is_everybody)
        .within(Duration::from_secs(60)),
    scenario!(a_relay_killed_behind_a_socket_of_systemd_refuses_nobody)
        .within(Duration::from_secs(60)),
];

const PAIRS: usize = 40;

/// Lives of the relay that end with SIGKILL.
const KILLED: usize = 2;

/// Echoes of each phone after which a life has lasted long enough.
const ECHOES: usize = 10;

async fn a_relay_killed_under_load_is_back_at_once_and_so_is_everybody(
    stage: &Stage,
) -> anyhow::Result<()> {
    let addr = ports::free()?;
    play(addr, || stage.relay_at(addr)).await?;
    Ok(())
}

async fn a_relay_killed_behind_a_socket_of_systemd_refuses_nobody(
    stage: &Stage,
) -> anyhow::Result<()> {
    let addr = ports::free()?;
    let socket = TcpListener::bind(addr)?;
    let refused = play(addr, || stage.relay_on(&socket, addr)).await?;
    ensure!(refused == 0, "{refused} connects were refused");
    Ok(())
}

/// Starts and kills relays under a load that never stops, and ends the last one in order; says how many connects were
/// refused.
async fn play(
    addr: SocketAddr,
    start: impl Fn() -> anyhow::Result<Relay>,
) -> anyhow::Result<usize> {
    let crowd = Arc::new(Crowd {
        addr,
        has_echoed: watch::Sender::new([0; PAIRS]),
        refused: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    });
    let mut peers = JoinSet::new();
    for life in 0..=KILLED {
        let mut relay = start()?;
        relay.ready().await?;
        if life == 0 {
            for pair in 0..PAIRS {
                peers.spawn(play_daemon(Arc::clone(&crowd), pair));
                peers.spawn(play_phone(Arc::clone(&crowd), pair));
            }
        }
        let mut echoed = crowd.has_echoed.subscribe();
        crowd.has_echoed.send_modify(|echoes| *echoes = [0; PAIRS]);
        tokio::select! {
            all = echoed.wait_for(|echoes| echoes.iter().all(|count| *count >= ECHOES)) => {
                all?;
            }
            Some(ended) = peers.join_next() => bail!("a peer ended: {:?}", ended?),
        }
        ensure!(relay.connected().await? == (PAIRS as u64, PAIRS as u64));
        ensure!(relay.log().count("server_id_conflict") == 0, "stale claims");
        if life < KILLED {
            relay.signal(Signal::KILL)?;
            relay.exit().await?;
        } else {
            crowd.is_over.store(true, Ordering::SeqCst);
            relay.signal(Signal::TERM)?;
            relay.exits_cleanly_within(Duration::from_secs(5)).await?;
            ensure!(relay.log().count("drain incomplete") == 0, "peers were cut");
        }
    }
    for ended in peers.join_all().await {
        ended?;
    }
    Ok(crowd.refused.load(Ordering::Relaxed))
}

/// What the peers share.
struct Crowd {
    addr: SocketAddr,
    /// Echoes that each phone has read in this life of the relay.
    has_echoed: watch::Sender<[usize; PAIRS]>,
    /// Connects that found no listener.
    refused: AtomicUsize,
    /// Nobody comes back any more.
    is_over: AtomicBool,
}

impl Crowd {
    /// Comes back as often as it takes; `None` when it is over.
    async fn arrive(&self, request: &Request, pace: &mut Interval) -> Option<Peer> {
        while !self.is_over.load(Ordering::SeqCst) {
            pace.tick().await;
            match Peer::upgrade(self.addr, request).await {
                Ok(peer) => return Some(peer),
                Err(error) if is_refusal(&error) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(_killed) => {}
            }
        }
        None
    }
}

/// Of a client's attempts, which between two lives of the relay find nobody, and just after one no daemon.
fn pace() -> Interval {
    let mut pace = interval(Duration::from_millis(10));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
}

fn is_refusal(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Answers every frame.
async fn play_daemon(crowd: Arc<Crowd>, pair: usize) -> anyhow::Result<()> {
    let request = Request::binary(&format!("server-{pair}"));
    let mut pace = pace();
    while let Some(mut daemon) = crowd.arrive(&request, &mut pace).await {
        while let Ok(Some(Message::Text(text))) = daemon.message().await {
            let Envelope::Frame { conn_id, frame } = Envelope::parse(text.as_str())? else {
                continue;
            };
            if daemon.send_to(&conn_id, &frame).await.is_err() {
                break;
            }
        }
        // In order in a drain; else there is nobody left to tell.
        let _ = daemon.expect_end().await;
    }
    Ok(())
}

/// Sends the next number when the last one has come back, from 0 on each connection.
async fn play_phone(crowd: Arc<Crowd>, pair: usize) -> anyhow::Result<()> {
    let request = Request::phone(&format!("server-{pair}"));
    let mut pace = pace();
    while let Some(mut phone) = crowd.arrive(&request, &mut pace).await {
        let mut number = 0_u64;
        while phone.send(number.to_string()).await.is_ok() {
            // A close, or an end without one: its daemon was not there yet, or the relay was killed.
            let Ok(Some(Message::Text(text))) = phone.message().await else {
                break;
            };
            let echo: u64 = text.as_str().parse().context("an echo")?;
            ensure!(echo == number, "{echo} came back for {number}");
            number += 1;
            crowd.has_echoed.send_modify(|echoes| echoes[pair] += 1);
        }
        let _ = phone.expect_end().await;
    }
    Ok(())
}
