//! `cargo xtask autobahn`: the Autobahn test suite, a referee of RFC 6455, against the relay's WebSocket layer.
//!
//! The relay answers no stranger's messages, so what is examined is `relay-conformance`, an echo on the same decoder,
//! connection and writer. Every case has to pass; there is no list of those that may fail.

mod report;
mod server;
mod suite;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::tally::Tally;
use crate::workspace::Workspace;
use report::Case;
use server::Server;
use suite::{Suite, SuiteError};

/// All but 12 and 13, which are about compression: the relay negotiates none.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*";

/// For all cases, which take some 15 s: most of them wait for a second to see that nothing more comes.
const PATIENCE: Duration = Duration::from_secs(600);

const AGENT: &str = "relay";

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AutobahnOptions {
    /// Patterns of cases, with commas between; all that apply if `None`.
    pub(crate) cases: Option<String>,
}

/// Builds the echo server, sets up the suite and runs it. Without Python or its packages that is a failure where it is
/// `required`, and nothing elsewhere.
///
/// # Errors
///
/// The server does not build or start, or the suite breaks off.
pub(crate) fn run(
    workspace: &Workspace,
    required: bool,
    options: &AutobahnOptions,
) -> anyhow::Result<Tally> {
    let directory = workspace.root().join("target").join("autobahn");
    let suite = match Suite::set_up(workspace.root(), &directory) {
        Ok(suite) => suite,
        Err(SuiteError::Missing(what)) => {
            println!("{what}: conformance was not checked");
            return Ok(if required {
                Tally::of_check(false)
            } else {
                Tally::default()
            });
        }
        Err(SuiteError::Broken(error)) => return Err(error),
    };
    let program = workspace.build_executable("e2e", "relay-conformance", "relay-conformance")?;
    let cases = options.cases.as_deref().unwrap_or(CASES);
    let runtime = Runtime::new().context("could not start the runtime")?;
    let examined = runtime.block_on(examine(&suite, &program, &directory, cases));
    let (announced, outcomes) = examined?;
    Ok(tell(announced, &outcomes, &directory))
}

/// Runs the suite against a server of its own, and reads what it reported.
async fn examine(
    suite: &Suite,
    program: &Path,
    directory: &Path,
    cases: &str,
) -> anyhow::Result<(usize, Vec<Case>)> {
    let server = Server::start(program).await?;
    let reports = directory.join("report");
    // A verdict of an earlier run must not be taken for this one's.
    if reports.exists() {
        std::fs::remove_dir_all(&reports).context("could not remove the last report")?;
    }
    let config = json!({
        "options": { "failByDrop": false },
        "outdir": reports,
        "servers": [{ "agent": AGENT, "url": server.url() }],
        "cases": cases.split(',').collect::<Vec<_>>(),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let path = directory.join("config.json");
    std::fs::write(&path, config.to_string()).context("could not write the suite's config")?;
    let log = timeout(PATIENCE, suite.run(&path))
        .await
        .context("the suite did not end")??;
    let announced = report::announced(&log).with_context(|| format!("no case ran:\n{log}"))?;
    let read = |file: &str| {
        let path = reports.join(file);
        std::fs::read_to_string(&path).with_context(|| format!("no {}", path.display()))
    };
    let outcomes = report::cases(&read("index.json")?, AGENT, read)?;
    ensure!(
        outcomes.len() <= announced,
        "more cases than were announced"
    );
    Ok((announced, outcomes))
}

/// Prints what there is to say; a case that did not run has failed.
fn tell(announced: usize, outcomes: &[Case], directory: &Path) -> Tally {
    let missing = announced - outcomes.len();
    let mut tally = Tally {
        passed: 0,
        failed: missing as u64,
    };
    for case in outcomes {
        let fault = case.fault();
        if let Some(fault) = &fault {
            println!("FAIL {:<8} {fault}", case.id);
        }
        tally += Tally::of_check(fault.is_none());
    }
    if missing > 0 {
        println!("FAIL {missing} of {announced} cases did not run");
    }
    println!("{announced} cases: {}", report::summary(outcomes));
    println!("report: {}", directory.join("report/index.html").display());
    tally
}
