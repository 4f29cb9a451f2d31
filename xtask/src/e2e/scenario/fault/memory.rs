//! The bound on memory, under phones that do not read and binaries that do not stop.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::Scenario;
use super::flood::{Fate, Flood, read_to_end};
use super::watched::{QUEUE_BYTES, Watched};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(stalled_phones_stay_inside_the_budget_in_small_frames)
        .within(Duration::from_secs(60))
        .alone(),
    scenario!(stalled_phones_stay_inside_the_budget_in_large_frames)
        .within(Duration::from_secs(60))
        .alone(),
];

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

const BUDGET: usize = 32 * MIB;

/// What may come on top: what the allocator keeps and rounds up.
const SLACK: usize = BUDGET / 5;

const STALLED: usize = 500;

/// Of the 16 phones that a server-id may have, one reads.
const STALLED_PER_SERVER: usize = 15;

const SERVERS: usize = STALLED.div_ceil(STALLED_PER_SERVER);

/// Evictions after which the floods stop: by then the budget was full for long.
const ENOUGH: f64 = 250.0;

const EVICTIONS: &str = "pyrycode_relay_backlog_evictions_total";

async fn stalled_phones_stay_inside_the_budget_in_small_frames(
    stage: &Stage,
) -> anyhow::Result<()> {
    stay_inside_the_budget(stage, 4 * KIB, Beside::Readers).await
}

async fn stalled_phones_stay_inside_the_budget_in_large_frames(
    stage: &Stage,
) -> anyhow::Result<()> {
    stay_inside_the_budget(stage, 100 * KIB, Beside::Nobody).await
}

/// Who else is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// One phone of each binary reads, and is to be served all along.
    Readers,
    Nobody,
}

async fn stay_inside_the_budget(
    stage: &Stage,
    frame_bytes: usize,
    beside: Beside,
) -> anyhow::Result<()> {
    let queue_memory = format!("--queue-memory={BUDGET}");
    let relay = Watched::start(stage, &[&queue_memory]).await?;
    let is_over = watch::Sender::new(false);
    let mut floods = Vec::new();
    let mut stalled = Vec::new();
    for server in 0..SERVERS {
        let server_id = format!("s{server}");
        let binary = relay.raw_binary(&server_id).await?;
        let mut conn_ids = Vec::new();
        let mut reader = None;
        if beside == Beside::Readers {
            let (phone, conn_id) = relay.raw_phone(&server_id).await?;
            conn_ids.push(conn_id);
            reader = Some(phone);
        }
        for _ in 0..STALLED_PER_SERVER.min(STALLED - stalled.len()) {
            let (phone, conn_id) = relay.narrow_phone(&server_id).await?;
            conn_ids.push(conn_id);
            stalled.push((server, phone));
        }
        floods.push(Flood::new(binary, conn_ids, reader, frame_bytes));
    }
    // A frame for each, which the kernel takes: what a first frame needs, a page of code included, is no queue.
    try_join_all(floods.iter_mut().map(Flood::round)).await?;
    relay.becomes(QUEUE_BYTES, 0.0).await?;
    let idle = relay.resident()?;

    let mut flooding = JoinSet::new();
    for (server, flood) in floods.into_iter().enumerate() {
        let is_over = is_over.subscribe();
        flooding.spawn(async move { Ok((server, flood.run(is_over).await?)) });
    }
    // A message is counted before somebody else makes room for it.
    let most_queued = (BUDGET + 2 * frame_bytes) as f64;
    // Queues are not all there is: of each binary a message may be under way, and the buffer that it has outgrown.
    let most_grown = BUDGET + SLACK + 2 * SERVERS * frame_bytes;
    let (mut queued, mut resident) = (0.0_f64, 0);
    let mut pace = interval(Duration::from_millis(20));
    while relay.sample(EVICTIONS).await? < ENOUGH {
        pace.tick().await;
        queued = queued.max(relay.sample(QUEUE_BYTES).await?);
        ensure!(queued <= most_queued, "{queued} bytes were queued");
        resident = resident.max(relay.resident()?.now);
        expect_no_more(idle.now, resident, most_grown)?;
        if let Some(ended) = flooding.try_join_next() {
            let ended: anyhow::Result<_> = ended?;
            ended.context("a flood")?;
        }
    }
    is_over.send_replace(true);
    // The kernel's own peak misses nothing between two looks, but counts in batches.
    resident = resident.max(relay.resident()?.peak);
    let grown = expect_no_more(idle.now, resident, most_grown)?;
    println!(
        "     {STALLED} idle phones: {} KiB; stalled, in frames of {frame_bytes} B: {} KiB more for {} KiB queued",
        idle.now / 1024,
        grown / KIB,
        queued / 1024.0
    );

    let mut ended = BTreeMap::new();
    for flood in flooding.join_all().await {
        let (server, flood) = flood.context("a flood")?;
        ended.insert(server, flood);
    }
    // Nobody sends any more: who is not closed by now has all of it to read.
    try_join_all(ended.values_mut().map(Flood::end)).await?;
    let read = stalled.into_iter().map(async |(server, phone)| {
        let fate = read_to_end(phone, frame_bytes).await?;
        if let Fate::Served(frames) = fate {
            let sent = ended.get(&server).map(Flood::sent);
            ensure!(sent == Some(frames), "{frames} frames arrived of {sent:?}");
        }
        Ok(fate)
    });
    let fates = try_join_all(read).await.context("who had not read")?;
    let met = |is: fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count();
    let evicted = met(|fate| *fate == Fate::Evicted);
    println!(
        "     then {} of them read everything, {evicted} why not, and {} were cut",
        met(|fate| matches!(fate, Fate::Served(_))),
        met(|fate| *fate == Fate::Cut)
    );
    ensure!(evicted > 0, "nobody could read why");
    drop(ended);
    relay.expect_as_before().await
}

/// What the relay has grown by, which is so much at most.
fn expect_no_more(idle: u64, resident: u64, most_grown: usize) -> anyhow::Result<usize> {
    let grown = usize::try_from(resident.saturating_sub(idle))?;
    ensure!(
        grown <= most_grown,
        "{} KiB more than with idle phones, at most {} are allowed",
        grown / KIB,
        most_grown / KIB
    );
    Ok(grown)
}
