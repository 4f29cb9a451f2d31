//! A relay that is stopped for a while and goes on: who did all it had to is not taken for dead.
//!
//! What a peer did while the relay stood still waits in the kernel, and every timer of the relay has run out: which of
//! the two it looks at first is the point.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use rustix::process::Signal;

use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::peer::{Envelope, Peer};
use crate::e2e::ports;
use crate::e2e::process;
use crate::e2e::raw::{RawPeer, Received};
use crate::e2e::relay::Relay;
use crate::e2e::scenario::ops_page::sample;
use crate::e2e::scenario::{Scenario, json_string, until};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] =
    &[
        scenario!(a_relay_stopped_for_twenty_seconds_takes_nobody_for_dead)
            .within(Duration::from_secs(60)),
    ];

/// Longer than a handshake, a probe, a close and a daemon's write may take; shorter than a silence.
const STOP: Duration = Duration::from_secs(20);

const PAIRS: usize = 8;

/// Frames of each direction of a pair that are sent while the relay stands still.
const MEANWHILE: usize = 200;

async fn a_relay_stopped_for_twenty_seconds_takes_nobody_for_dead(
    stage: &Stage,
) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let mut relay = stage.relay_with(&[&flag]).await?;
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        pairs.push(Pair::new(&relay, pair).await?);
    }
    let mut leaving = Pair::new(&relay, PAIRS).await?;
    let mut behind = Behind::new(&relay, metrics).await?;
    let mut newcomer = Newcomer::new(&relay).await?;
    let mut contest = Contest::new(&relay).await?;

    relay.signal(Signal::STOP)?;
    let pid = relay.pid()?;
    until(async || Ok(process::state(pid)? == process::STOPPED)).await?;
    // How long it lasts is what is tested: nothing will tell.
    let mut stops = tokio::time::interval(STOP);
    stops.tick().await;
    for pair in &mut pairs {
        pair.talk().await?;
    }
    leaving.phone.begin_close(1000).await?;
    newcomer.finish().await?;
    contest.answer().await?;
    behind.take_what_is_there().await?;
    let mut late = RawPeer::dial(relay.addr()).await?;
    late.send_bytes(&Request::get("/readyz").bytes()).await?;
    stops.tick().await;
    relay.signal(Signal::CONT)?;

    late.response().await?.expect(200)?;
    try_join_all(pairs.iter_mut().map(Pair::hear)).await?;
    leaving.phone.expect_close(1000, "").await?;
    leaving.daemon.expect_notice(&leaving.conn_id, 1000).await?;
    newcomer.is_in().await.context("the newcomer")?;
    contest.is_decided().await.context("the contest")?;
    behind.catches_up().await.context("the daemon behind")?;
    for leg in ["binary", "phone"] {
        let series =
            format!(r#"pyrycode_relay_closes_total{{leg="{leg}",code="1011",by="relay"}}"#);
        ensure!(sample(metrics, &series).await? == 0.0, "{series}");
    }

    relay.signal(Signal::TERM)?;
    let ends = pairs.iter_mut().map(async |pair| {
        pair.daemon.expect_notice(&pair.conn_id, 1001).await?;
        pair.daemon.expect_close(1001, "shutting down").await?;
        pair.phone.expect_close(1001, "shutting down").await
    });
    let others = async {
        leaving.daemon.expect_close(1001, "shutting down").await?;
        newcomer.0.expect_close(1001, "shutting down").await?;
        contest
            .incumbent
            .expect_close(1001, "shutting down")
            .await?;
        behind.ends().await
    };
    tokio::try_join!(try_join_all(ends), others)?;
    relay.exits_cleanly_within(Duration::from_secs(5)).await?;
    ensure!(relay.log().count("drain incomplete") == 0, "peers were cut");
    Ok(())
}

/// A daemon and its phone, who both talk while nobody hears.
struct Pair {
    daemon: Peer,
    phone: Peer,
    conn_id: String,
}

impl Pair {
    async fn new(relay: &Relay, number: usize) -> anyhow::Result<Self> {
        let server_id = format!("pair-{number}");
        let daemon = relay.binary(&server_id).await?;
        let (phone, conn_id) = relay.phone(&server_id).await?;
        Ok(Self {
            daemon,
            phone,
            conn_id,
        })
    }

    async fn talk(&mut self) -> anyhow::Result<()> {
        for number in 0..MEANWHILE {
            let frame = number.to_string();
            self.phone.send(frame.as_str()).await?;
            self.daemon.send_to(&self.conn_id, &frame).await?;
        }
        Ok(())
    }

    async fn hear(&mut self) -> anyhow::Result<()> {
        for number in 0..MEANWHILE {
            let frame = number.to_string();
            self.daemon.expect_frame(&self.conn_id, &frame).await?;
            self.phone.expect_text(&frame).await?;
        }
        Ok(())
    }
}

/// A daemon that has stopped reading for a moment, just before the relay is stopped; its phone's frames wait.
struct Behind {
    daemon: RawPeer,
    phone: Peer,
    conn_id: String,
}

impl Behind {
    const FRAMES: usize = 150;
    const FRAME_BYTES: usize = 8 << 10;

    async fn new(relay: &Relay, metrics: std::net::SocketAddr) -> anyhow::Result<Self> {
        let daemon = relay.narrow_binary("behind").await?;
        let (mut phone, conn_id) = relay.phone("behind").await?;
        for _ in 0..Self::FRAMES {
            phone.send(json_string(Self::FRAME_BYTES)).await?;
        }
        // The queue to a daemon is full at 256 KiB: the socket is too.
        until(async || Ok(sample(metrics, "pyrycode_relay_queue_bytes").await? >= 262_144.0))
            .await?;
        Ok(Self {
            daemon,
            phone,
            conn_id,
        })
    }

    /// All that the relay has given to the kernel, from which the rest then goes on by itself.
    async fn take_what_is_there(&mut self) -> anyhow::Result<()> {
        while let Ok(read) =
            tokio::time::timeout(Duration::from_secs(1), self.daemon.take_in(1 << 20)).await
        {
            ensure!(read? > 0, "the stream ended");
        }
        Ok(())
    }

    async fn catches_up(&mut self) -> anyhow::Result<()> {
        for number in 0..Self::FRAMES {
            let text = self.daemon.text().await;
            let text = text.with_context(|| format!("frame {number}"))?;
            let expected = Envelope::Frame {
                conn_id: self.conn_id.clone(),
                frame: json_string(Self::FRAME_BYTES),
            };
            ensure!(Envelope::parse(&text)? == expected, "frame {number}");
        }
        Ok(())
    }

    async fn ends(&mut self) -> anyhow::Result<()> {
        let notice = Envelope::parse(&self.daemon.text().await?)?;
        let expected = Envelope::Notice {
            conn_id: self.conn_id.clone(),
            close_code: 1001,
        };
        ensure!(notice == expected, "{notice:?}");
        self.daemon.expect_close(1001, "shutting down").await?;
        self.phone.expect_close(1001, "shutting down").await
    }
}

/// A daemon whose request is half said when the relay is stopped, and whole soon after.
struct Newcomer(RawPeer);

impl Newcomer {
    fn halves() -> (Vec<u8>, Vec<u8>) {
        let mut first = Request::binary("newcomer").bytes();
        let second = first.split_off(first.len() / 2);
        (first, second)
    }

    async fn new(relay: &Relay) -> anyhow::Result<Self> {
        let mut newcomer = RawPeer::dial(relay.addr()).await?;
        newcomer.send_bytes(&Self::halves().0).await?;
        // An answer on another connection: the relay has accepted the one before it.
        relay.get("/readyz").await?.expect(200)?;
        Ok(Self(newcomer))
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.0.send_bytes(&Self::halves().1).await
    }

    async fn is_in(&mut self) -> anyhow::Result<()> {
        self.0.response().await?.expect(101)?;
        self.0.settle().await
    }
}

/// A daemon that is being probed when the relay is stopped, and answers soon after; and who claims its server-id.
struct Contest {
    incumbent: RawPeer,
    claimant: RawPeer,
    ping: Vec<u8>,
}

impl Contest {
    async fn new(relay: &Relay) -> anyhow::Result<Self> {
        let mut incumbent = relay.raw_binary("contested").await?;
        let claimant = RawPeer::upgrade(relay.addr(), &Request::binary("contested")).await?;
        let probe = incumbent.next().await?.into_frame()?;
        ensure!(probe.opcode == opcode::PING, "a ping expected: {probe:?}");
        Ok(Self {
            incumbent,
            claimant,
            ping: probe.payload,
        })
    }

    async fn answer(&mut self) -> anyhow::Result<()> {
        let pong = Frame::new(opcode::PONG, self.ping.clone());
        self.incumbent.send(&pong).await
    }

    async fn is_decided(&mut self) -> anyhow::Result<()> {
        self.claimant
            .expect_close(4409, "server-id already claimed")
            .await?;
        self.incumbent.settle().await?;
        ensure!(self.claimant.next().await? == Received::Eof);
        Ok(())
    }
}
