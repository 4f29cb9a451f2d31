//! `cargo xtask bench`: what the relay costs beside a byte forwarder in the same run, and what its peers weigh.
//!
//! Every figure is a ratio to something measured in the same minutes, or processor time of the relay per unit of work:
//! absolute speed says more about the machine and its neighbours than about the relay.
//! The processes that make load live in the package `relay-bench`; this folder starts, pins, repeats and reports.

mod crowd;
mod figure;
mod loads;
mod machine;
mod processes;
mod proxies;
mod report;
mod single;

use std::path::PathBuf;

use anyhow::Context as _;

use crate::clock::Stopwatch;
use crate::debian;
use crate::tally::Tally;
use crate::workspace::Workspace;

use figure::Report;
use processes::Bench;

/// What to measure, and how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BenchOptions {
    /// Only parts whose name contains this.
    pub(crate) filter: Option<String>,
    /// A fifth of the time, for trying the bench itself; its figures mean little.
    pub(crate) is_quick: bool,
    /// The relay to measure; built when absent.
    pub(crate) binary: Option<PathBuf>,
}

/// A part of the run: measures and adds its figures.
type Part = fn(&Bench, &mut Report) -> anyhow::Result<()>;

/// In the order of measuring: what is left of the memory is looked at last, when a minute has passed anyway.
const PARTS: &[(&str, Part)] = &[
    ("memory", crowd::memory),
    ("echo", loads::echo),
    ("growth", loads::growth),
    ("churn", single::churn),
    ("stalled", single::stalled),
    ("secure", crowd::secure),
    ("storm", crowd::storm),
    ("drain", crowd::drain),
    ("start", single::start),
    ("memory left", crowd::desertion),
];

/// Measures, prints, and writes `target/bench/report.{json,html}`. A target that is missed is told, and fails nothing:
/// what fails is a part that could not be measured.
pub(crate) fn run(workspace: &Workspace, options: &BenchOptions) -> anyhow::Result<Tally> {
    let stopwatch = Stopwatch::start();
    debian::install_missing(debian::PROXIES)?;
    let bench = Bench::build(workspace, options)?;
    let mut report = Report::of(machine::describe());
    let mut tally = Tally::default();
    for (name, part) in PARTS {
        if options
            .filter
            .as_ref()
            .is_some_and(|wanted| !name.contains(wanted.as_str()))
        {
            continue;
        }
        println!("==> {name}");
        let measured = part(&bench, &mut report);
        if let Err(error) = &measured {
            println!("error: {error:#}");
        }
        tally += Tally::of_check(measured.is_ok());
    }
    report.seconds = stopwatch.elapsed().as_secs_f64();
    println!("\n{}", report::terminal::table(&report));
    let directory = bench.directory();
    let write = |name: &str, content: String| {
        let path = directory.join(name);
        println!("wrote {}", path.display());
        std::fs::write(&path, content).with_context(|| format!("could not write {name}"))
    };
    write("report.json", report::json::document(&report))?;
    write("report.html", report::html::document(&report))?;
    Ok(tally)
}
