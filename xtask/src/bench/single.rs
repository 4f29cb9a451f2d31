//! What one visit, one start and one stalled phone cost.

use std::fs;

use anyhow::Context as _;

use super::figure::{Figure, Report, Unit, median, number, range};
use super::processes::Bench;
use crate::clock::Stopwatch;

/// Connect, one echo, close.
pub(super) fn churn(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let relay = bench.relay()?;
    let visits = format!("--visits={}", bench.scaled(4_000));
    let mut costs = Vec::new();
    for round in 0..bench.scaled(3) {
        let result = bench.load("churn", &relay, &[&visits])?;
        report.keep(format!("churn / round {round}"), &result);
        costs.push(number(&result, "cpu_us_per_visit")?);
    }
    report.add(Figure {
        section: "Connections",
        name: "connect + one echo + close".to_owned(),
        value: median(&costs),
        unit: Unit::Microseconds,
        target: Some(80.0),
        detail: range(&costs),
    });
    Ok(())
}

/// Siblings of a flooded phone: while it reads, and while it does not.
pub(super) fn stalled(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let measured = format!("--measured-ms={}", bench.scaled_ms(2_500));
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..bench.scaled(5) {
        let mut p99 = |stalls: bool| -> anyhow::Result<f64> {
            // A relay of its own: what the last phone left queued is not this one's burden.
            let relay = bench.relay()?;
            let mut args = vec![measured.as_str()];
            args.extend(stalls.then_some("--stalls"));
            let result = bench.load("stalled", &relay, &args)?;
            report.keep(format!("stalled {stalls} / round {round}"), &result);
            number(&result, "siblings.p99_us")
        };
        without.push(p99(false)?);
        with.push(p99(true)?);
    }
    // Of medians: one round's 99th percentile is a handful of unlucky frames.
    let ratio = median(&with) / median(&without);
    report.add(Figure {
        section: "Connections",
        name: "99th percentile beside a stalled phone ÷ beside one that reads".to_owned(),
        value: ratio,
        unit: Unit::Ratio,
        target: Some(1.2),
        detail: format!("{} µs against {} µs", range(&with), range(&without)),
    });
    Ok(())
}

/// From the start of the process to its first answered connect, and how large it is.
pub(super) fn start(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let mut starts = Vec::new();
    for _ in 0..bench.scaled(20) {
        let stopwatch = Stopwatch::start();
        let relay = bench.relay()?;
        starts.push(stopwatch.elapsed().as_secs_f64());
        drop(relay);
    }
    report.add(Figure {
        section: "Executable",
        name: "start to listening".to_owned(),
        value: median(&starts),
        unit: Unit::Seconds,
        target: Some(0.020),
        detail: format!("median of {}", starts.len()),
    });
    let path = bench.relay_path();
    let metadata = fs::metadata(path).with_context(|| path.display().to_string())?;
    report.add(Figure {
        section: "Executable",
        name: "size, stripped".to_owned(),
        value: metadata.len() as f64 / 1e6,
        unit: Unit::Mebibytes,
        target: Some(8.0),
        detail: String::new(),
    });
    Ok(())
}
