//! Two addresses that do their worst while a daemon comes home.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::Scenario;
use crate::clock;
use crate::e2e::http::Request;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[scenario!(a_flood_does_not_keep_a_daemon_out)
    .within(Duration::from_secs(60))
    .alone()];

const FLOODER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const DRIBBLER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const CONNECTIONS: usize = 2_000;
const HALF_HEADS: usize = 500;
const DAEMONS: usize = 15;

/// Ten times what a connect takes on a loaded machine, a hundredth of a daemon's patience.
const LIMIT: Duration = Duration::from_millis(500);

async fn a_flood_does_not_keep_a_daemon_out(stage: &Stage) -> anyhow::Result<()> {
    // What an operator gets without asking: 10 requests a minute in bursts of 20, a quarter of the slots.
    let defaults = ["--rate-limit-per-minute=10", "--max-connections=1000"];
    let relay = stage.relay_with(&defaults).await?;
    let calm = connect_times(relay.addr(), "calm", 5).await?;
    let mut flood = JoinSet::new();
    for _ in 0..20 {
        flood.spawn(hold_open(relay.addr(), FLOODER, CONNECTIONS / 20, true));
    }
    flood.spawn(hold_open(relay.addr(), DRIBBLER, HALF_HEADS, false));
    let flooded = connect_times(relay.addr(), "flooded", DAEMONS).await?;
    let mut refused = 0;
    let mut held = Vec::new();
    while let Some(outcome) = flood.join_next().await {
        let sockets = outcome??;
        refused += sockets.len();
        held.extend(sockets);
    }
    println!("     a daemon connects in {calm} alone, in {flooded} beside {refused} others");
    ensure!(
        refused == CONNECTIONS + HALF_HEADS,
        "{refused} connections were made"
    );
    ensure!(relay.log().count("rate_limited") > CONNECTIONS / 2);
    ensure!(
        flooded.worst < LIMIT,
        "a daemon waited for {:?}",
        flooded.worst
    );
    Ok(())
}

#[derive(Clone, Copy)]
struct Times {
    median: Duration,
    worst: Duration,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, worst } = self;
        write!(f, "{median:?} (worst {worst:?})")
    }
}

/// How long daemons take, one after the other, from the first packet to the 101.
async fn connect_times(addr: SocketAddr, name: &str, daemons: usize) -> anyhow::Result<Times> {
    let mut times = Vec::new();
    let mut connected = Vec::new();
    for n in 0..daemons {
        let started = clock::Stopwatch::start();
        let request = Request::binary(&format!("{name}-{n}"));
        connected.push(RawPeer::upgrade(addr, &request).await?);
        times.push(started.elapsed());
    }
    times.sort();
    Ok(Times {
        median: times[times.len() / 2],
        worst: times[times.len() - 1],
    })
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
