//! `cargo xtask model`: the races of relay-core under more schedules, others, or the one that failed.
//!
//! `cargo xtask test` runs them too, among all other tests; this is for looking closer.

use crate::steps;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// What to run, and how the scheduler decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ModelOptions {
    /// Only tests whose name contains this.
    pub(crate) filter: Option<String>,
    /// Schedules per test and scheduler, if not the default.
    pub(crate) iterations: Option<u32>,
    /// What the schedules are made from, if not the fixed seed.
    pub(crate) seed: Option<u64>,
    /// The only schedule to run, as a failed test printed it.
    pub(crate) replay: Option<String>,
}

/// Builds and runs the tests.
///
/// # Errors
///
/// Cargo could not be started.
pub(crate) fn run(workspace: &Workspace, options: &ModelOptions) -> anyhow::Result<Tally> {
    let mut command = workspace.cargo();
    command.args(["test", "--package", "relay-model", "--test", "races"]);
    command.args(&options.filter);
    let settings = [
        ("ITERATIONS", options.iterations.map(|n| n.to_string())),
        ("SEED", options.seed.map(|seed| seed.to_string())),
        ("REPLAY", options.replay.clone()),
    ];
    for (name, value) in settings {
        if let Some(value) = value {
            command.env(format!("RELAY_MODEL_{name}"), value);
        }
    }
    steps::check(&mut command)
}
