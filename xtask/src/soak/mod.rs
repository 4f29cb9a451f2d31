//! `cargo xtask soak`: a steady crowd of peers that do everything peers do, for minutes or hours, on the built relay.
//!
//! Owns the crowd, the parts of a run, and the report.
//! What a single frame, close and notice must be is known where it is met, in [`phone`] and [`daemon`]; what the sides
//! say about each other is put together in [`books`].

mod books;
mod closing;
mod crowd;
mod daemon;
mod link;
mod logbook;
mod message;
mod page;
mod phone;
mod process;
mod report;
mod series;
mod strangers;
mod trend;
mod world;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use crate::e2e::ports;
use crate::tally::Tally;
use crate::workspace::Workspace;

use crowd::{EMPTY_SERVERS, SERVERS, crowd};
use logbook::Logbook;
use process::Process;
use report::{Check, Report};
use series::{Sample, Series};
use world::World;

/// Until it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Seconds between two lines of progress.
const PROGRESS: u64 = 10;

const DEFAULT_SEED: u64 = 0x5EED_50A4;

/// For how long, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoakOptions {
    /// Minutes of traffic; what is looked at afterwards takes three quarters of a minute more.
    pub(crate) minutes: NonZeroU32,
    /// Of everything that the peers choose.
    pub(crate) seed: u64,
    /// The relay to drive; built when absent.
    pub(crate) binary: Option<PathBuf>,
}

impl Default for SoakOptions {
    fn default() -> Self {
        Self {
            minutes: NonZeroU32::MIN.saturating_add(1),
            seed: DEFAULT_SEED,
            binary: None,
        }
    }
}

/// Builds the relay unless one was given, and runs the soak on it.
///
/// # Errors
///
/// The relay does not build or does not start.
pub(crate) fn build_and_run(workspace: &Workspace, options: &SoakOptions) -> anyhow::Result<Tally> {
    let binary = match &options.binary {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("no relay at {}", binary.display()))?,
        None => workspace.build_executable("e2e", "relay-bin", "pyrycode-relay")?,
    };
    let directory = workspace.root().join("target").join("soak");
    std::fs::create_dir_all(&directory).context("target/soak")?;
    ports::raise_socket_limit()?;
    let runtime = Runtime::new().context("could not start the runtime")?;
    runtime.block_on(run(&binary, &directory, options))
}

async fn run(binary: &Path, directory: &Path, options: &SoakOptions) -> anyhow::Result<Tally> {
    let traffic = Duration::from_secs(60 * u64::from(options.minutes.get()));
    println!(
        "soak: {} s of traffic, --seed {:#x}",
        traffic.as_secs(),
        options.seed
    );
    let (process, stderr) = Process::start(binary)?;
    let mut process = process;
    let world = Arc::new(World::new(
        process.addr(),
        options.seed,
        SERVERS + EMPTY_SERVERS,
    ));
    let logbook = Arc::new(Logbook::default());
    let mut reader = JoinSet::new();
    {
        let (logbook, world) = (Arc::clone(&logbook), Arc::clone(&world));
        let path = directory.join("relay.log");
        reader.spawn(async move { logbook.read(stderr, &path, world).await });
    }
    let files = calm_files(&process, &logbook, &world).await?;

    let mut series = Series::default();
    let mut checks = Vec::new();
    let actors = crowd(&world);
    let outcome = watch(&world, &process, &mut series, traffic).await;
    let mut went_well = note(
        &mut checks,
        &world,
        "every frame, close and notice",
        outcome,
    );
    let memory = series.memory();
    if went_well {
        let judged = memory
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error:#}"))
            .and_then(|memory| memory.judge());
        note(&mut checks, &world, "resident memory does not grow", judged);
        let left = closing::everybody_leaves(&world, &process, actors, SERVERS).await;
        went_well = note(&mut checks, &world, "everybody leaves", left);
    }
    let mut last_files = None;
    if went_well {
        let given_up = closing::slots_are_given_up(&world, SERVERS, EMPTY_SERVERS).await;
        note(&mut checks, &world, "server-ids are given up", given_up);
        let added_up = closing::counters_add_up(&world, &process, &logbook).await;
        let added_up = added_up.map(drop);
        note(&mut checks, &world, "counters add up", added_up);
        let closed = closing::nothing_is_left_open(&process, files, series.most_threads()).await;
        note(&mut checks, &world, "files and threads as before", closed);
        last_files = Some(process.usage()?.open_files);
        let stopped = process.stop().await;
        note(&mut checks, &world, "it stops with 0", stopped);
        reader.join_all().await;
        let failure = world.failure().map_or(Ok(()), |text| bail!("{text}"));
        note(
            &mut checks,
            &world,
            "no line in the log but expected ones",
            failure,
        );
    }

    let report = Report {
        seed: options.seed,
        duration: traffic,
        totals: world.books().totals,
        series: &series,
        memory: memory.ok(),
        files: (files, last_files),
        logbook: &logbook,
        checks: &checks,
    };
    println!("\n{}", report.table());
    report.write(directory)?;
    println!("wrote {}", directory.display());
    Ok(tally(&checks, &logbook, options.seed))
}

/// Waits until it listens, and says how many files it then has open.
async fn calm_files(process: &Process, logbook: &Logbook, world: &World) -> anyhow::Result<usize> {
    let calm = async {
        while !logbook.is_listening() {
            ensure!(world.failure().is_none(), "it does not start");
            sleep(Duration::from_millis(20)).await;
        }
        // What it opens for its first requests only has to be open already.
        process.page().await?;
        process.connected().await?;
        let mut files = process.usage()?.open_files;
        let mut equal = 0;
        while equal < 5 {
            sleep(Duration::from_millis(50)).await;
            let now = process.usage()?.open_files;
            equal = if now == files { equal + 1 } else { 0 };
            files = now;
        }
        Ok(files)
    };
    timeout(START_LIMIT, calm)
        .await
        .context("it does not listen")?
}

/// Lets the traffic run, measures each second, and stops at the first check that fails.
async fn watch(
    world: &World,
    process: &Process,
    series: &mut Series,
    traffic: Duration,
) -> anyhow::Result<()> {
    let mut seconds = interval(Duration::from_secs(1));
    let end = world.now() + traffic;
    while world.now() < end {
        tokio::select! {
            _ = seconds.tick() => {}
            () = world.failed() => return Ok(()),
        }
        world.books().settle(world.now())?;
        let page = process.page().await?;
        let most = world.books().most_phones() as f64;
        let sample = Sample::of(world.now(), process.usage()?, process::own_usage()?, &page);
        ensure!(
            page.sum("panics_total", &[]) == 0.0,
            "a task of the relay panicked"
        );
        // A phone that the relay forgets to forget is found here before the end.
        ensure!(
            sample.phones <= most,
            "{} phones by the metrics page, and {most} that could be",
            sample.phones
        );
        series.push(sample);
        if world.now().as_secs().is_multiple_of(PROGRESS)
            && let Some(line) = report::progress(series, &world.books().totals)
        {
            println!("{line}");
        }
    }
    Ok(())
}

/// Notes how a check went; whatever failed first in the background counts for it too.
fn note(
    checks: &mut Vec<Check>,
    world: &World,
    name: &'static str,
    outcome: anyhow::Result<()>,
) -> bool {
    let outcome = match (world.failure(), outcome) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(format!("{error:#}")),
        (None, Ok(())) => Ok(()),
    };
    let went_well = outcome.is_ok();
    checks.push(Check { name, outcome });
    went_well
}

/// Prints the checks, with what is known about the first that failed.
fn tally(checks: &[Check], logbook: &Logbook, seed: u64) -> Tally {
    let mut tally = Tally::default();
    for Check { name, outcome } in checks {
        match outcome {
            Ok(()) => println!("ok   {name}"),
            Err(failure) => println!("FAIL {name}: {failure}"),
        }
        tally += Tally::of_check(outcome.is_ok());
    }
    let first = checks.iter().find_map(|check| check.outcome.as_ref().err());
    if let Some(failure) = first {
        let print = |lines: Vec<String>| lines.iter().for_each(|line| println!("     | {line}"));
        println!("     again with --seed {seed:#x}; what the relay logged about it:");
        print(logbook.about(failure));
        println!("     its last lines:");
        print(logbook.last());
    }
    tally
}
