//! The end of a soak: everybody leaves, and the relay must be as it was before anybody came.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::books::{End, GRACE};
use super::crowd::Actors;
use super::link::{Door, Link};
use super::logbook::Logbook;
use super::page::Page;
use super::phone::request;
use super::process::Process;
use super::world::{Part, World};

/// For actors to end, each in its own way.
const LEAVE_LIMIT: Duration = Duration::from_secs(90);

/// For what the relay does without being asked any more.
const CALM_LIMIT: Duration = Duration::from_secs(15);

/// For what is said about phones.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Everybody leaves; the stories of all phones are judged, and the gauges are empty.
pub(super) async fn everybody_leaves(
    world: &Arc<World>,
    process: &Process,
    actors: Actors,
    servers: usize,
) -> anyhow::Result<()> {
    world.begin(Part::PhonesLeave);
    all_end(world, actors.phones, "phones").await?;
    let told = || {
        let mut books = world.books();
        books.settle_early(world.now())?;
        anyhow::Ok(books.most_phones() == 0)
    };
    // Whoever is left is named by what comes next.
    becomes(SETTLE_LIMIT, async || told()).await?;
    world.books().expect_settled()?;

    let holders = servers as u64;
    until(async || Ok(process.connected().await? == (holders, 0)))
        .await
        .with_context(|| format!("{holders} binaries and no phone on the health page"))?;
    let page = process.page().await?;
    expect(&page, "connected_binaries", holders as f64)?;
    expect(&page, "connected_phones", 0.0)?;

    world.begin(Part::DaemonsLeave);
    all_end(world, actors.daemons, "daemons").await?;
    until(async || Ok(process.page().await?.sum("connections", &[]) == 0.0))
        .await
        .context("no connection on the metrics page")
}

async fn all_end(world: &World, actors: JoinSet<()>, who: &str) -> anyhow::Result<()> {
    tokio::select! {
        ended = timeout(LEAVE_LIMIT, actors.join_all()) => {
            ended.with_context(|| format!("{who} do not end"))?;
        }
        () = world.failed() => {}
    }
    ensure!(world.failure().is_none(), "a check failed");
    Ok(())
}

/// Waits for the end of every grace window, and that no server-id is known any more.
pub(super) async fn slots_are_given_up(
    world: &Arc<World>,
    servers: usize,
    strangers: usize,
) -> anyhow::Result<()> {
    // A window whose end is noticed late lasts five seconds more.
    sleep(GRACE + Duration::from_secs(7)).await;
    for server in 0..servers + strangers {
        let id = world.books().dialled(server, world.now());
        let link = Link::open(
            world.addr,
            &request(server, id),
            Door::Plain,
            world.random(id),
        )
        .await?;
        link.expect_refusal(4404, "no server with that id")
            .await
            .with_context(|| format!("server-{server} after its grace"))?;
        world.books().ended(id, End::Refused, 0, world.now());
    }
    world.books().settle_early(world.now())?;
    world.books().expect_settled()
}

/// What the relay counted fits together, and fits what its peers counted.
pub(super) async fn counters_add_up(
    world: &World,
    process: &Process,
    logbook: &Logbook,
) -> anyhow::Result<Page> {
    until(async || Ok(process.page().await?.sum("connections", &[]) == 0.0))
        .await
        .context("no connection on the metrics page")?;
    let page = process.page().await?;
    for gauge in [
        "connected_binaries",
        "connected_phones",
        "connections",
        "queue_bytes",
        "draining",
        "panics_total",
        "accept_errors_total",
    ] {
        expect(&page, gauge, 0.0)?;
    }
    let attempts = |endpoint, outcome| {
        let labels = [("endpoint", endpoint), ("outcome", outcome)];
        page.sum("ws_upgrade_attempts_total", &labels)
    };
    for (leg, endpoint) in [("phone", "client"), ("binary", "server")] {
        let came: f64 = ["accept", "reject_404", "reject_409", "reject_429"]
            .map(|outcome| attempts(endpoint, outcome))
            .iter()
            .sum();
        let closed = page.sum("closes_total", &[("leg", leg)]);
        ensure!(
            came == closed,
            "{came} legs of {leg} came and {closed} were closed"
        );
    }
    let totals = world.books().totals;
    for (what, relay, peers) in [
        (
            "phones registered",
            attempts("client", "accept"),
            totals.phones_registered,
        ),
        (
            "server-ids claimed",
            attempts("server", "accept"),
            totals.daemons_claimed,
        ),
        (
            "claims refused",
            attempts("server", "reject_409"),
            totals.claims_refused,
        ),
        (
            "takeovers",
            page.sum("takeovers_total", &[]),
            totals.takeovers,
        ),
    ] {
        ensure!(
            relay == peers as f64,
            "{what}: {relay} by the metrics page, {peers} otherwise"
        );
    }
    for (msg, counterpart) in [
        ("phone_registered", "phone_unregistered"),
        ("server_claimed", "server_released"),
    ] {
        let (came, went) = (logbook.count(msg), logbook.count(counterpart));
        ensure!(
            came == went,
            "logged: {came} times {msg}, {went} times {counterpart}"
        );
    }
    for (direction, sent, received) in [
        (
            "phone_to_binary",
            totals.frames_sent_by_phones,
            totals.frames_received_by_daemons,
        ),
        (
            "binary_to_phone",
            totals.frames_sent_by_daemons,
            totals.frames_received_by_phones,
        ),
    ] {
        let labels = [("direction", direction)];
        let forwarded = page.sum("frames_forwarded_total", &labels);
        let dropped = page.sum("frames_dropped_total", &labels);
        ensure!(
            received as f64 <= forwarded && forwarded + dropped <= sent as f64,
            "{direction}: {sent} sent, {forwarded} forwarded and {dropped} dropped, {received} received"
        );
    }
    Ok(page)
}

/// As many files are open as before anybody came, and no more threads run than did under traffic.
pub(super) async fn nothing_is_left_open(
    process: &Process,
    files: usize,
    threads: u64,
) -> anyhow::Result<()> {
    until(async || Ok(process.usage()?.open_files == files))
        .await
        .with_context(|| format!("{files} open files, as at the start"))?;
    let usage = process.usage()?;
    ensure!(
        usage.threads <= threads,
        "{} threads, and {threads} under traffic",
        usage.threads
    );
    Ok(())
}

fn expect(page: &Page, series: &str, value: f64) -> anyhow::Result<()> {
    ensure!(page.has(series), "no series {series}");
    let found = page.sum(series, &[]);
    ensure!(found == value, "{series}: {value} expected, got {found}");
    Ok(())
}

/// Looks again and again until the answer is yes; whether it was in time.
async fn becomes(
    limit: Duration,
    mut ask: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let asking = async {
        while !ask().await? {
            sleep(LOOK).await;
        }
        anyhow::Ok(true)
    };
    timeout(limit, asking).await.unwrap_or(Ok(false))
}

/// The same, where anything but yes is a failure.
async fn until(ask: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    ensure!(
        becomes(CALM_LIMIT, ask).await?,
        "not so after {CALM_LIMIT:?}"
    );
    Ok(())
}
