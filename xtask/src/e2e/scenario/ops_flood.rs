//! Two addresses that do their worst while a daemon comes home.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::Scenario;
use super::ops_page::sample;
use crate::clock;
use crate::e2e::http::Request;
use crate::e2e::ports;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[scenario!(a_flood_does_not_keep_a_daemon_out)
    .within(Duration::from_secs(60))
    .alone()];

const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const DRIBBLER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const CONNECTIONS: usize = 2_000;
const HALF_HEADS: usize = 500;

/// Daemons before the flood, and after its last connection was made.
const DAEMONS: u8 = 5;

/// Under the second after which a connect that found no place is tried again, a fiftieth of a daemon's patience.
const LIMIT: Duration = Duration::from_millis(900);

async fn a_flood_does_not_keep_a_daemon_out(stage: &Stage) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let page = format!("--metrics-listen={metrics}");
    // What an operator gets without asking: 10 requests a minute in bursts of 20, a quarter of the slots.
    let defaults = [
        "--rate-limit-per-minute=10",
        "--max-connections=1000",
        &page,
    ];
    let relay = stage.relay_with(&defaults).await?;
    let mut daemons = Daemons::new(relay.addr());
    for _ in 0..DAEMONS {
        daemons.connect().await?;
    }
    let calm = daemons.times();
    let mut flood = JoinSet::new();
    for _ in 0..20 {
        flood.spawn(hold_open(relay.addr(), FLOODER, CONNECTIONS / 20, true));
    }
    flood.spawn(hold_open(relay.addr(), DRIBBLER, HALF_HEADS, false));
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut held = Vec::new();
    while !flood.is_empty() {
        tokio::select! {
            Some(outcome) = flood.join_next() => held.extend(outcome??),
            _ = pace.tick() => daemons.connect().await?,
        }
    }
    for _ in 0..DAEMONS {
        daemons.connect().await?;
    }
    let flooded = daemons.times();
    println!(
        "     a daemon connects in {calm} alone, in {flooded} beside {} others",
        held.len()
    );
    ensure!(held.len() == CONNECTIONS + HALF_HEADS);
    let refused = "pyrycode_relay_ws_upgrade_attempts_total{endpoint=\"client\",outcome=\"reject_rate_limit\"}";
    let refused = sample(metrics, refused).await?;
    ensure!(refused > 1_900.0, "{refused} of the flood were refused");
    ensure!(
        flooded.worst < LIMIT,
        "a daemon waited for {:?}",
        flooded.worst
    );
    Ok(())
}

/// Daemons that stay, each at home somewhere else.
struct Daemons {
    addr: SocketAddr,
    connected: Vec<RawPeer>,
    times: Vec<Duration>,
}

impl Daemons {
    fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            connected: Vec::new(),
            times: Vec::new(),
        }
    }

    /// One more, from its first packet to the 101.
    async fn connect(&mut self) -> anyhow::Result<()> {
        let number = u16::try_from(self.connected.len() + 1).context("too many daemons")?;
        let [high, low] = number.to_be_bytes();
        let home = Ipv4Addr::new(127, 1, high, low);
        let started = clock::Stopwatch::start();
        let mut daemon = RawPeer::dial_at(home, self.addr).await?;
        daemon
            .handshake(&Request::binary(&home.to_string()))
            .await?;
        self.times.push(started.elapsed());
        self.connected.push(daemon);
        Ok(())
    }

    /// What those took that connected since this was asked for last.
    fn times(&mut self) -> Times {
        let mut times = std::mem::take(&mut self.times);
        times.sort();
        Times {
            count: times.len(),
            median: times[times.len() / 2],
            worst: times[times.len() - 1],
        }
    }
}

#[derive(Clone, Copy)]
struct Times {
    count: usize,
    median: Duration,
    worst: Duration,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            median,
            worst,
        } = self;
        write!(f, "{median:?} (worst of {count}: {worst:?})")
    }
}

/// Opens connections that ask for a phone's leg, or never finish asking.
async fn hold_open(
    addr: SocketAddr,
    from: Ipv4Addr,
    connections: usize,
    whole: bool,
) -> anyhow::Result<Vec<TcpStream>> {
    let request = Request::phone("nobody").bytes();
    let sent = if whole {
        request.len()
    } else {
        request.len() / 2
    };
    let mut open = Vec::new();
    for _ in 0..connections {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((from, 0)))?;
        let mut stream = socket.connect(addr).await?;
        stream.write_all(&request[..sent]).await?;
        open.push(stream);
    }
    Ok(open)
}
