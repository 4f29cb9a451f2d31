//! Scenarios on the built relay: a child process, real sockets, peers that share no code with it.
//!
//! Owns selection, bounded parallelism, time limits and the report. What a scenario says lives in [`scenario`].

mod fault;
pub(crate) mod frame;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod peer;
pub(crate) mod ports;
mod process;
pub(crate) mod raw;
pub(crate) mod relay;
mod scenario;
mod scraper;
mod stage;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::E2eOptions;
use crate::clock::Stopwatch;
use crate::tally::Tally;
use crate::workspace::Workspace;
use scenario::Scenario;
use stage::Stage;

/// Scenarios at a time: most of them wait for the other side, so more than there are cores.
const AT_A_TIME: usize = 8;

/// Lines of a relay's log shown for a failed scenario.
const SHOWN_LOG_LINES: usize = 60;

/// Prints the names of the scenarios.
pub(crate) fn list(options: &E2eOptions) {
    for scenario in selected(options) {
        println!("{}", scenario.name);
    }
}

/// Builds the relay unless one was given, and runs the scenarios on it.
///
/// # Errors
///
/// The relay does not build, or the process may not open enough sockets to drive it.
pub(crate) fn build_and_run(workspace: &Workspace, options: &E2eOptions) -> anyhow::Result<Tally> {
    let binary = match &options.binary {
        Some(binary) => binary
            .canonicalize()
            .with_context(|| format!("no relay at {}", binary.display()))?,
        None => workspace.build_executable("e2e", "relay-bin", "pyrycode-relay")?,
    };
    ports::raise_socket_limit()?;
    let scenarios = selected(options);
    ensure!(!scenarios.is_empty(), "no scenario has that in its name");
    let runtime = Runtime::new().context("could not start the runtime")?;
    Ok(runtime.block_on(run(scenarios, &binary, options)))
}

fn selected(options: &E2eOptions) -> Vec<Scenario> {
    let filter = options.filter.as_deref().unwrap_or_default();
    scenario::all()
        .filter(|scenario| scenario.name.contains(filter))
        .collect()
}

/// Runs the scenarios, those that need the machine for themselves last.
async fn run(
    mut scenarios: Vec<Scenario>,
    binary: &std::path::Path,
    options: &E2eOptions,
) -> Tally {
    // The longest first, so that nothing long is left over at the end.
    scenarios.sort_by_key(|scenario| std::cmp::Reverse(scenario.limit));
    let (alone, together): (Vec<_>, Vec<_>) =
        scenarios.into_iter().partition(|scenario| scenario.alone);
    let stage = || Arc::new(Stage::new(binary.to_owned(), options));

    let mut tally = Tally::default();
    let mut running = JoinSet::new();
    for scenario in together {
        if running.len() == AT_A_TIME {
            tally += running
                .join_next()
                .await
                .map_or_else(Tally::default, joined);
        }
        running.spawn(perform(scenario, stage()));
    }
    while let Some(result) = running.join_next().await {
        tally += joined(result);
    }
    for scenario in alone {
        running.spawn(perform(scenario, stage()));
        tally += running
            .join_next()
            .await
            .map_or_else(Tally::default, joined);
    }
    tally
}

fn joined(result: Result<Tally, tokio::task::JoinError>) -> Tally {
    result.unwrap_or_else(|_| Tally::of_check(false))
}

/// Runs one scenario on its own stage, and says how it went.
async fn perform(scenario: Scenario, stage: Arc<Stage>) -> Tally {
    let stopwatch = Stopwatch::start();
    // On a task of its own, so that a panic in it is a result like any other.
    let mut played = JoinSet::new();
    let its_stage = Arc::clone(&stage);
    played.spawn(async move { timeout(scenario.limit, (scenario.run)(&its_stage)).await });
    let result = match played.join_next().await {
        Some(Ok(Ok(result))) => result,
        Some(Ok(Err(_))) => Err(anyhow!("not over after {:?}", scenario.limit)),
        Some(Err(panic)) => Err(anyhow!("{panic}")),
        None => Err(anyhow!("never started")),
    };
    let elapsed = stopwatch.elapsed();
    match &result {
        Ok(()) => println!("ok   {} ({})", scenario.name, seconds(elapsed)),
        Err(error) => {
            println!(
                "FAIL {} ({}): {error:#}\n{}",
                scenario.name,
                seconds(elapsed),
                stage.logs(SHOWN_LOG_LINES)
            );
        }
    }
    Tally::of_check(result.is_ok())
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
