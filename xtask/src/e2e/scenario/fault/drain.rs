//! A drain over networks that fail: who can be told is told, and the rest costs no more than the deadline.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures_util::future::try_join_all;
use rustix::process::Signal;

use super::Scenario;
use super::household::Household;
use super::watched::Watched;
use crate::e2e::fault::{Fault, Proxy};
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::log::Mark;
use crate::e2e::raw::RawPeer;
use crate::e2e::scenario::json_string;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(a_drain_over_300_ms_tells_everybody_and_loses_nothing),
    scenario!(a_drain_tells_who_can_be_told_beside_every_fault),
];

const SHUTTING_DOWN: (u16, &str) = (1001, "shutting down");

const FRAMES: usize = 50;
const LENGTH: usize = 2 * 1024;

fn numbered(number: usize) -> String {
    format!("[{number},{}]", json_string(LENGTH))
}

/// Frames for a phone, all of them accepted by the relay when this returns.
async fn send_accepted(daemon: &mut RawPeer, conn_id: &str, frames: usize) -> anyhow::Result<()> {
    for number in 0..frames {
        let frame = numbered(number);
        daemon
            .send_text(&format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#))
            .await?;
    }
    daemon.settle().await
}

async fn expect_all_and_1001(phone: &mut RawPeer, frames: usize) -> anyhow::Result<()> {
    for number in 0..frames {
        let text = phone.text().await?;
        ensure!(
            text == numbered(number),
            "frame {number} expected, got {text:.40}"
        );
    }
    phone.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
}

async fn a_drain_over_300_ms_tells_everybody_and_loses_nothing(
    stage: &Stage,
) -> anyhow::Result<()> {
    const PHONES: usize = 4;
    const DELAY: Fault = Fault::Delay(Duration::from_millis(300));
    let mut relay = Watched::start(stage, &[]).await?;
    let mut proxy = Proxy::before(&relay).await?;
    let (mut daemon, daemon_link) = proxy.binary(&relay, "s").await?;
    let mut phones = Vec::new();
    for _ in 0..PHONES {
        phones.push(proxy.phone(&relay, "s").await?);
    }
    daemon_link.set(DELAY).await;
    for (phone, conn_id, link) in &mut phones {
        link.set(DELAY).await;
        // Whose pong is back was read up to there.
        for number in 0..FRAMES {
            phone.send_text(&numbered(number)).await?;
        }
        phone.send(&Frame::ping("settled?")).await?;
        for number in 0..FRAMES {
            let frame = numbered(number);
            daemon
                .send_text(&format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#))
                .await?;
        }
    }
    daemon.send(&Frame::ping("settled?")).await?;
    let mut early = vec![0; PHONES];
    let from_phones = async {
        for ((phone, _, _), early) in phones.iter_mut().zip(&mut early) {
            *early = read_to_pong(phone).await?;
        }
        Ok(())
    };
    let (heard, ()) = tokio::try_join!(read_to_pong(&mut daemon), from_phones)?;
    relay.signal(Signal::TERM)?;

    let phones_read = try_join_all(phones.iter_mut().zip(early).map(
        async |((phone, _, _), early)| {
            for number in early..FRAMES {
                let text = phone.text().await?;
                ensure!(text == numbered(number), "frame {number} expected");
            }
            phone.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
        },
    ));
    let daemon_reads = async {
        // A frame of each, and a notice.
        for _ in heard..PHONES * (FRAMES + 1) {
            daemon.text().await.context("the daemon")?;
        }
        daemon.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
    };
    tokio::try_join!(phones_read, daemon_reads)?;
    relay
        .relay()
        .exits_cleanly_within(Duration::from_secs(5))
        .await?;
    relay
        .log()
        .event(
            Mark::default(),
            "shutdown complete",
            &[("cut", "0"), ("frames_dropped", "0")],
        )
        .await?;
    relay.expect_no_error()
}

/// Counts text messages up to a pong.
async fn read_to_pong(peer: &mut RawPeer) -> anyhow::Result<usize> {
    let mut texts = 0;
    loop {
        let frame = peer.frame().await?;
        match frame.opcode {
            opcode::PONG => return Ok(texts),
            opcode::TEXT => texts += 1,
            _ => bail!("{frame:?}"),
        }
    }
}

async fn a_drain_tells_who_can_be_told_beside_every_fault(stage: &Stage) -> anyhow::Result<()> {
    /// Three seconds for what it takes to end the process on a busy machine.
    const LIMIT: Duration = Duration::from_millis(4_500 + 3_000);
    let mut relay = Watched::start(stage, &["--drain-deadline=4s"]).await?;
    let mut healthy = Household::new(&relay, "healthy").await?;
    let mut proxy = Proxy::narrow(&relay).await?;
    let mut daemon = relay.raw_binary("faulted").await?;

    // Slow ones are told too: they take bytes.
    let (mut dribbled, dribbled_id, link) = proxy.phone(&relay, "faulted").await?;
    let dribble = Fault::Dribble {
        bytes: 64,
        every: Duration::from_millis(5),
    };
    link.set(dribble).await;
    let (mut delayed, delayed_id, delayed_link) = proxy.phone(&relay, "faulted").await?;
    delayed_link
        .set(Fault::Delay(Duration::from_millis(300)))
        .await;
    // Nothing gets through to these.
    let (_frozen, frozen_id, frozen_link) = proxy.phone(&relay, "faulted").await?;
    frozen_link.set(Fault::Freeze).await;
    let (_half_open, half_open_id, half_open_link) = proxy.phone(&relay, "faulted").await?;
    half_open_link.set(Fault::Discard).await;
    let (_frozen_daemon, frozen_daemon_link) = proxy.binary(&relay, "frozen").await?;
    frozen_daemon_link.set(Fault::Freeze).await;
    // And this one is lost with the signal.
    let (_lost, lost_id, lost_link) = proxy.phone(&relay, "faulted").await?;

    for conn_id in [&dribbled_id, &delayed_id, &half_open_id, &lost_id] {
        send_accepted(&mut daemon, conn_id, 4).await?;
    }
    // More than the sockets take.
    send_accepted(&mut daemon, &frozen_id, 1_000).await?;
    healthy.goes_on(20).await?;
    relay.signal(Signal::TERM)?;
    lost_link.to_relay.set(Fault::Reset).await;

    let daemon_reads = async {
        let mut told = BTreeSet::new();
        for _ in 0..5 {
            told.insert(daemon.text().await?);
        }
        ensure!(told.len() == 5, "{told:?}");
        daemon.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
    };
    let tells = async {
        tokio::try_join!(
            async { healthy.expect_drained().await.context("healthy") },
            async {
                expect_all_and_1001(&mut dribbled, 4)
                    .await
                    .context("dribbled")
            },
            async {
                expect_all_and_1001(&mut delayed, 4)
                    .await
                    .context("delayed")
            },
            async { daemon_reads.await.context("the daemon") },
        )?;
        anyhow::Ok(())
    };
    let exits = relay.relay().exits_cleanly_within(LIMIT);
    let (told, exited) = tokio::join!(tells, exits);
    told?;
    exited?;
    let start = Mark::default();
    let summary = relay.log().event(start, "drain incomplete", &[]).await?;
    // Frozen twice, half-open, and lost.
    let cut: u32 = summary.get("cut").context("cut")?.parse()?;
    ensure!((3..=4).contains(&cut), "{summary:?}");
    ensure!(summary.get("binaries") == Some("3"), "{summary:?}");
    relay.expect_no_error()
}
