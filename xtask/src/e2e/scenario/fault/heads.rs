//! Senders that never finish a request head: cut when its time is over, and felt by nobody meanwhile.

use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::task::JoinSet;
use tokio::time::interval;

use super::Scenario;
use super::household::Household;
use super::watched::Watched;
use crate::clock::Stopwatch;
use crate::e2e::fault::{Fault, Link, Proxy};
use crate::e2e::http::Request;
use crate::e2e::raw::{RawPeer, Received};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[scenario!(slow_heads_are_cut_in_time_and_starve_nobody)];

/// More than the relay has slots for: a head that is not complete takes none.
const SLOW: usize = 300;

const SLOTS: &str = "--max-connections=64";

/// A byte at a time; whole heads would take over fifteen seconds.
const SLOWLY: Fault = Fault::Dribble {
    bytes: 1,
    every: Duration::from_millis(50),
};

/// From accept, or from the first byte of a later head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// A deadline that the relay notices more than 100 ms late, as it may on a busy machine, is judged so much later.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// Timers of a busy machine.
const LEEWAY: Duration = Duration::from_secs(2);

/// The slowest connect beside all of them, on a busy machine; who had to wait for a slot would wait for longer.
const SOON: Duration = Duration::from_secs(2);

async fn slow_heads_are_cut_in_time_and_starve_nobody(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[SLOTS]).await?;
    let mut household = Household::new(&relay, "s").await?;
    let mut proxy = Proxy::before(&relay).await?;
    let mut slow = JoinSet::new();
    for number in 0..SLOW {
        let (peer, link) = proxy.dial().await?;
        let is_second = number % 10 == 0;
        slow.spawn(send_slowly(peer, link, is_second));
    }
    // Real ones come and go for as long as any of the others is there.
    let mut pace = interval(Duration::from_millis(100));
    let (mut cut, mut slowest) = (0, Duration::ZERO);
    while cut < SLOW {
        tokio::select! {
            Some(ended) = slow.join_next() => {
                ended??;
                cut += 1;
            }
            _ = pace.tick() => {
                let stopwatch = Stopwatch::start();
                let (phone, conn_id) = relay.raw_phone("s").await?;
                slowest = slowest.max(stopwatch.elapsed());
                phone.reset()?;
                household.daemon.farewell(&conn_id).await?;
            }
        }
    }
    ensure!(slowest <= SOON, "a phone had to wait for {slowest:?}");
    household.goes_on(10).await?;
    household.expect_undisturbed().await?;
    relay.expect_as_before().await
}

/// Sends a head that comes too late, the first or the second of its connection, and is cut for it without a byte.
async fn send_slowly(mut peer: RawPeer, link: Link, is_second: bool) -> anyhow::Result<()> {
    if is_second {
        peer.send_bytes(&Request::get("/healthz").bytes()).await?;
        peer.response().await?.expect(200)?;
    }
    link.to_relay.set(SLOWLY).await;
    let stopwatch = Stopwatch::start();
    let head = Request::phone("s").with("Padding", &"x".repeat(200));
    peer.send_bytes(&head.bytes()).await?;
    match peer.next().await? {
        Received::Eof | Received::Reset => {}
        other @ (Received::Frame(_) | Received::Torn) => bail!("{other:?}"),
    }
    let elapsed = stopwatch.elapsed();
    // The relay's time began with its accept, a little before ours.
    ensure!(
        elapsed + LEEWAY >= HEAD_TIMEOUT && elapsed <= HEAD_TIMEOUT + SECOND_LOOK + LEEWAY,
        "cut after {elapsed:?}"
    );
    Ok(())
}
