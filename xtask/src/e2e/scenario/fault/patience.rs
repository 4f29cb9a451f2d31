//! What takes the relay's longer deadlines, all of it on one relay at once: who only seems dead is served, and who is
//! dead is found.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Scenario;
use super::household::{Daemon, Household};
use super::watched::Watched;
use crate::clock::Stopwatch;
use crate::e2e::fault::{Fault, Proxy};
use crate::e2e::log::Mark;
use crate::e2e::scenario::json_string;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] =
    &[scenario!(deadlines_find_the_dead_and_spare_the_slow).within(Duration::from_secs(110))];

/// A ping comes 27 s to 33 s after the last, and silence for 30 s behind it is death.
const HEARTBEAT: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(57)..=Duration::from_secs(63);

/// A phone that accepts no byte.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What is logged of it.
const CUT: &str = "binary_forwarder_phone_send_failed";

/// Until a phone's answer to its close is not waited for any more.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A deadline that the relay notices more than 100 ms late, as it may on a busy machine, is judged so much later.
const SECOND_LOOK: Duration = Duration::from_secs(5);

/// Timers of a busy machine.
const LEEWAY: Duration = Duration::from_secs(4);

async fn deadlines_find_the_dead_and_spare_the_slow(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut household = Household::new(&relay, "s").await?;
    let daemon = &household.daemon;
    tokio::try_join!(
        async { half_open(&relay, daemon).await.context("half-open") },
        async { frozen(&relay, daemon).await.context("frozen") },
        async { slow(&relay, daemon).await.context("slow") },
        async {
            by_single_bytes(&relay, daemon)
                .await
                .context("single bytes")
        },
        async { dribbled_message(&relay, daemon).await.context("late") },
    )?;
    household.goes_on(10).await?;
    household.expect_undisturbed().await?;
    relay.expect_as_before().await
}

/// Vanished with nothing queued: found by the heartbeat.
async fn half_open(relay: &Watched, daemon: &Daemon) -> anyhow::Result<()> {
    let mut proxy = Proxy::before(relay).await?;
    let (phone, conn_id, link) = proxy.phone(relay, "s").await?;
    let stopwatch = Stopwatch::start();
    link.set(Fault::Discard).await;
    drop(phone);
    let farewell = daemon.farewell(&conn_id).await?;
    let elapsed = stopwatch.elapsed();
    ensure!(farewell.notice == Some(1001), "{farewell:?}");
    let latest = *HEARTBEAT.end() + SECOND_LOOK + CLOSE_TIMEOUT + SECOND_LOOK + LEEWAY;
    ensure!(
        (*HEARTBEAT.start()..=latest).contains(&elapsed),
        "found after {elapsed:?}"
    );
    Ok(())
}

/// Takes no byte of what is queued: cut after its time, long before a heartbeat would tell.
async fn frozen(relay: &Watched, daemon: &Daemon) -> anyhow::Result<()> {
    let mut proxy = Proxy::narrow(relay).await?;
    let (_phone, conn_id, link) = proxy.phone(relay, "s").await?;
    link.set(Fault::Freeze).await;
    // More than the sockets take.
    for _ in 0..16 {
        let frame = json_string(200 * 1024);
        daemon.send_to(&conn_id, &frame).await?;
    }
    let stopwatch = Stopwatch::start();
    let farewell = daemon.farewell(&conn_id).await?;
    let elapsed = stopwatch.elapsed();
    ensure!(farewell.notice == Some(1001), "{farewell:?}");
    ensure!(
        elapsed + LEEWAY >= WRITE_TIMEOUT && elapsed <= WRITE_TIMEOUT + SECOND_LOOK + LEEWAY,
        "cut after {elapsed:?}"
    );
    Ok(())
}

/// Takes a little at a time, for longer than any deadline: far behind, and yet not given up.
async fn slow(relay: &Watched, daemon: &Daemon) -> anyhow::Result<()> {
    // 8 kB/s: of what the kernel holds of a backlog, 128 KiB, half has to go before the relay sees progress, and a
    // frame takes longer than the deadline.
    const PACE: Fault = Fault::Dribble {
        bytes: 8,
        every: Duration::from_millis(1),
    };
    taken_slowly(relay, daemon, PACE, 3, 250 * 1024).await
}

/// Takes one byte after the other under the smallest window there is, pings among them.
async fn by_single_bytes(relay: &Watched, daemon: &Daemon) -> anyhow::Result<()> {
    const PACE: Fault = Fault::Dribble {
        bytes: 1,
        every: Duration::from_millis(1),
    };
    taken_slowly(relay, daemon, PACE, 10, 4 * 1024).await
}

/// Has frames sent to a phone that takes them at this pace, until the relay has cut another one for taking none.
async fn taken_slowly(
    relay: &Watched,
    daemon: &Daemon,
    pace: Fault,
    frames: usize,
    length: usize,
) -> anyhow::Result<()> {
    let mut proxy = Proxy::narrow(relay).await?;
    let (mut phone, conn_id, link) = proxy.phone(relay, "s").await?;
    link.to_peer.set(pace).await;
    let frame = json_string(length);
    for _ in 0..frames {
        daemon.send_to(&conn_id, &frame).await?;
    }
    let reads = async {
        for number in 0..frames {
            let text = phone.text().await?;
            ensure!(text == frame, "frame {number} expected, got {text:.40}");
        }
        anyhow::Ok(())
    };
    let deadline = async {
        let log = relay.log();
        log.event(Mark::default(), CUT, &[]).await?;
        link.to_peer.set(Fault::Pass).await;
        anyhow::Ok(())
    };
    tokio::try_join!(reads, deadline)?;
    drop(phone);
    daemon.farewell(&conn_id).await?;
    Ok(())
}

/// A message that comes byte by byte is not complete in its time, however lively its sender.
async fn dribbled_message(relay: &Watched, daemon: &Daemon) -> anyhow::Result<()> {
    const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
    let mut proxy = Proxy::before(relay).await?;
    let (mut phone, conn_id, link) = proxy.phone(relay, "s").await?;
    let stopwatch = Stopwatch::start();
    link.to_relay
        .set(Fault::Dribble {
            bytes: 1,
            every: Duration::from_millis(20),
        })
        .await;
    phone.send_text(&json_string(10 * 1024)).await?;
    let (code, _) = phone.close_frame().await?;
    let elapsed = stopwatch.elapsed();
    ensure!(code == Some(1008), "{code:?}");
    ensure!(
        elapsed >= MESSAGE_TIMEOUT && elapsed <= MESSAGE_TIMEOUT + SECOND_LOOK + LEEWAY,
        "closed after {elapsed:?}"
    );
    drop(phone);
    drop(link);
    let farewell = daemon.farewell(&conn_id).await?;
    ensure!(
        farewell.notice == Some(1001) && farewell.frames.is_empty(),
        "{farewell:?}"
    );
    Ok(())
}
