//! Cases 41, 42, 44 and the bounds on memory: what happens when one side does not read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::interval;

use super::{Scenario, json_string};
use crate::clock::Stopwatch;
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::peer::Peer;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_41_a_burst_waits_for_a_phone_that_pauses),
    scenario!(case_42_a_phone_over_its_budget_reads_1011_and_nobody_else_feels_it)
        .within(Duration::from_secs(60)),
    scenario!(case_44_a_binary_that_does_not_read_is_cut).within(Duration::from_secs(60)),
    scenario!(the_process_budget_evicts_the_largest_backlog_first),
    scenario!(a_large_download_to_a_slow_phone_arrives_whole).within(Duration::from_secs(100)),
    scenario!(a_stalled_phone_delays_nobody).alone(),
];

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// The budget of one phone.
const PHONE_BUDGET: usize = 32 * MIB;

/// A numbered frame of `length` bytes.
fn numbered(number: usize, length: usize) -> String {
    let head = format!(r#"{{"n":{number},"data":"#);
    let data = json_string(length - head.len() - 1);
    format!("{head}{data}}}")
}

async fn send_numbered(
    binary: &mut Peer,
    conn_id: &str,
    numbers: std::ops::Range<usize>,
    length: usize,
) -> anyhow::Result<()> {
    for number in numbers {
        binary.send_to(conn_id, &numbered(number, length)).await?;
    }
    Ok(())
}

async fn expect_numbered(
    phone: &mut RawPeer,
    numbers: std::ops::Range<usize>,
    length: usize,
) -> anyhow::Result<()> {
    for number in numbers {
        let text = phone
            .text()
            .await
            .with_context(|| format!("frame {number}"))?;
        ensure!(
            text == numbered(number, length),
            "frame {number} expected, got {text:.60}"
        );
    }
    Ok(())
}

async fn case_41_a_burst_waits_for_a_phone_that_pauses(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.narrow_phone("s").await?;
    let (mut sibling, sibling_id) = relay.phone("s").await?;
    send_numbered(&mut binary, &conn_id, 0..300, KIB).await?;
    // Sent behind the burst, received before any of it.
    binary.send_to(&sibling_id, "1").await?;
    sibling.expect_text("1").await?;
    expect_numbered(&mut phone, 0..300, KIB).await
}

async fn case_42_a_phone_over_its_budget_reads_1011_and_nobody_else_feels_it(
    stage: &Stage,
) -> anyhow::Result<()> {
    const LENGTH: usize = 128 * KIB;
    /// Enough to fill the budget and whatever the sockets take.
    const MOST: usize = 2 * PHONE_BUDGET / LENGTH;
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.narrow_phone("s").await?;
    let (mut sibling, sibling_id) = relay.phone("s").await?;
    let mark = relay.log().mark();
    for number in 0..MOST {
        binary.send_to(&conn_id, &numbered(number, LENGTH)).await?;
        binary.send_to(&sibling_id, &number.to_string()).await?;
        sibling.expect_text(&number.to_string()).await?;
    }
    relay
        .log()
        .event(
            mark,
            "binary_forwarder_phone_enqueue_failed",
            &[("conn_id", conn_id.as_str())],
        )
        .await?;

    // What it had begun to receive arrives whole, then it is told why nothing more comes.
    let mut received = 0;
    loop {
        let frame = phone.frame().await?;
        if frame.opcode == opcode::CLOSE {
            ensure!(
                frame == Frame::close(1011, "phone backlog full").unmasked(),
                "{frame:?}"
            );
            break;
        }
        ensure!(
            frame == Frame::text(numbered(received, LENGTH)).unmasked(),
            "frame {received} expected"
        );
        received += 1;
    }
    phone.send(&Frame::close(1011, "")).await?;
    phone.expect_eof().await?;
    binary.expect_notice(&conn_id, 1011).await
}

async fn case_44_a_binary_that_does_not_read_is_cut(stage: &Stage) -> anyhow::Result<()> {
    /// Ten seconds without a byte of progress, a second look if the relay is late, and what it takes to fill the sockets
    /// before.
    const LIMIT: Duration = Duration::from_secs(18);
    let relay = stage.relay().await?;
    let deaf = relay.raw_binary("s").await?;
    let (mut phone, _) = relay.raw_phone("s").await?;
    let mark = relay.log().mark();
    let stopwatch = Stopwatch::start();
    let is_cut = AtomicBool::new(false);
    let frame = Frame::text(json_string(64 * KIB)).bytes();
    let flood = async {
        // Blocks when the binary's queue is full, for the relay then stops reading this phone;
        // goes on when the relay has given the binary up, for it reads a closing peer to the end.
        while !is_cut.load(Ordering::Relaxed) {
            phone.send_bytes(&frame).await?;
        }
        phone.expect_close(1000, "").await
    };
    let cut = async {
        relay
            .log()
            .event(mark, "server_released", &[("server_id", "s")])
            .await?;
        is_cut.store(true, Ordering::Relaxed);
        Ok(())
    };
    tokio::try_join!(flood, cut)?;
    ensure!(
        stopwatch.elapsed() < LIMIT,
        "after {:?}",
        stopwatch.elapsed()
    );
    ensure!(relay.connected().await?.0 == 0, "the id is still held");
    drop(deaf);
    Ok(())
}

async fn the_process_budget_evicts_the_largest_backlog_first(stage: &Stage) -> anyhow::Result<()> {
    const LENGTH: usize = 64 * KIB;
    /// The kernel takes up to 4 MiB off each backlog (`tcp_wmem`), and whatever it takes, the sums must hold:
    /// the first alone stays within 16 MiB, both do not, and the first is the larger one when that shows.
    const LARGE: usize = 14 * MIB / LENGTH;
    const SMALL: usize = 12 * MIB / LENGTH;
    let relay = stage.relay_with(&["--queue-memory", "16MiB"]).await?;
    let mut binary = relay.binary("s").await?;
    let (mut large, large_id) = relay.narrow_phone("s").await?;
    let (mut small, small_id) = relay.narrow_phone("s").await?;
    send_numbered(&mut binary, &large_id, 0..LARGE, LENGTH).await?;
    send_numbered(&mut binary, &small_id, 0..SMALL, LENGTH).await?;
    // Behind everything: when it arrives, all of the above has been decided.
    let (mut last, last_id) = relay.phone("s").await?;
    binary.send_to(&last_id, "1").await?;
    last.expect_text("1").await?;

    expect_numbered(&mut small, 0..SMALL, LENGTH)
        .await
        .context("the smaller backlog")?;
    let mut received = 0;
    loop {
        let frame = large.frame().await.context("the largest backlog")?;
        if frame.opcode == opcode::CLOSE {
            ensure!(
                frame == Frame::close(1011, "phone backlog full").unmasked(),
                "{frame:?}"
            );
            break;
        }
        ensure!(
            frame == Frame::text(numbered(received, LENGTH)).unmasked(),
            "frame {received} expected"
        );
        received += 1;
    }
    ensure!(received < LARGE, "nothing was dropped");
    large.send(&Frame::close(1011, "")).await?;
    large.expect_eof().await?;
    binary.expect_notice(&large_id, 1011).await
}

/// The largest stored attachment: 16 MiB in 373 chunks of about 80.9 KB on the wire.
async fn a_large_download_to_a_slow_phone_arrives_whole(stage: &Stage) -> anyhow::Result<()> {
    const CHUNKS: usize = 373;
    const LENGTH: usize = 80_900;
    /// 20 KB every 20 ms are 1 MB/s.
    const GULP: u64 = 20_000;
    const BETWEEN_GULPS: Duration = Duration::from_millis(20);
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.narrow_phone("s").await?;
    send_numbered(&mut binary, &conn_id, 0..CHUNKS, LENGTH).await?;

    let slowly = async {
        let mut gulps = interval(BETWEEN_GULPS);
        let mut received = 0;
        while received < CHUNKS {
            gulps.tick().await;
            let mut left = GULP;
            while left > 0 && received < CHUNKS {
                let taken = phone.take_in(left).await?;
                ensure!(taken > 0, "the stream ended after {received} chunks");
                left -= taken as u64;
                while let Some(frame) = phone.taken_frame() {
                    if frame.opcode == opcode::PING {
                        phone.send(&Frame::new(opcode::PONG, frame.payload)).await?;
                        continue;
                    }
                    ensure!(
                        frame == Frame::text(numbered(received, LENGTH)).unmasked(),
                        "chunk {received} expected, got opcode {}",
                        frame.opcode
                    );
                    received += 1;
                }
            }
        }
        Ok(())
    };
    binary.idle_while(slowly).await
}

/// How long a sibling's round trip and a pong to the binary take, at the median.
#[derive(Debug)]
struct Latency {
    round_trip: Duration,
    pong: Duration,
}

async fn a_stalled_phone_delays_nobody(stage: &Stage) -> anyhow::Result<()> {
    const ROUNDS: usize = 200;
    /// Per round; all of it stays below the budget of a phone.
    const FLOOD: usize = 128 * KIB;
    /// Beyond what two runs of the same differ by on a busy machine.
    const FACTOR: u32 = 5;
    const FLOOR: Duration = Duration::from_millis(5);

    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut sibling, sibling_id) = relay.raw_phone("s").await?;
    let (mut reading, reading_id) = relay.raw_phone("s").await?;
    let (_stalled, stalled_id) = relay.narrow_phone("s").await?;

    let flood_to = |conn_id: &str| {
        let envelope = format!(
            r#"{{"conn_id":"{conn_id}","frame":{}}}"#,
            json_string(FLOOD)
        );
        Frame::text(envelope).bytes()
    };
    let without = {
        let flood = flood_to(&reading_id);
        let measured = measure(
            &relay,
            &mut binary,
            &mut sibling,
            &sibling_id,
            &flood,
            ROUNDS,
        );
        reading.read_while(measured).await?
    };
    let with = measure(
        &relay,
        &mut binary,
        &mut sibling,
        &sibling_id,
        &flood_to(&stalled_id),
        ROUNDS,
    )
    .await?;
    println!("     beside a reading phone {without:?}, beside a stalled one {with:?}");
    for (name, without, with) in [
        ("round trip", without.round_trip, with.round_trip),
        ("pong", without.pong, with.pong),
    ] {
        ensure!(
            with <= without * FACTOR + FLOOR,
            "the {name} took {with:?} beside a stalled phone, {without:?} else"
        );
    }
    Ok(())
}

/// Floods one phone from the binary, and in between times another phone's round trip and the binary's own pong.
async fn measure(
    relay: &Relay,
    binary: &mut RawPeer,
    sibling: &mut RawPeer,
    sibling_id: &str,
    flood: &[u8],
    rounds: usize,
) -> anyhow::Result<Latency> {
    let (mut round_trips, mut pongs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        binary.send_bytes(flood).await?;
        let stopwatch = Stopwatch::start();
        sibling.send_text("1").await?;
        binary.text().await?;
        binary
            .send_text(&format!(r#"{{"conn_id":"{sibling_id}","frame":2}}"#))
            .await?;
        sibling.text().await?;
        round_trips.push(stopwatch.elapsed());

        let stopwatch = Stopwatch::start();
        binary.settle().await?;
        pongs.push(stopwatch.elapsed());
    }
    ensure!(relay.connected().await?.1 == 3, "a phone was lost");
    Ok(Latency {
        round_trip: median(round_trips),
        pong: median(pongs),
    })
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}
