//! What a soak prints, and what it leaves in `target/soak`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::books::Totals;
use super::logbook::Logbook;
use super::series::{Memory, Sample, Series, load_between, mib};

/// One check, and what came of it.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) outcome: Result<(), String>,
}

/// Everything there is to say about a run.
#[derive(Debug)]
pub(super) struct Report<'r> {
    pub(super) seed: u64,
    pub(super) duration: Duration,
    pub(super) totals: Totals,
    pub(super) series: &'r Series,
    pub(super) memory: Option<Memory>,
    /// Open files at the start, and at the end.
    pub(super) files: (usize, Option<usize>),
    pub(super) logbook: &'r Logbook,
    pub(super) checks: &'r [Check],
}

/// The line of one moment.
pub(super) fn progress(series: &Series, totals: &Totals) -> Option<String> {
    let now = series.last()?;
    let (relay, load) = load_between(series.before(10)?, now);
    let Sample {
        at,
        usage,
        phones,
        binaries,
        queued_bytes,
        ..
    } = now;
    Some(format!(
        "{:>5.0} s  {binaries:>3} binaries {phones:>4} phones  {:>7} phones gone {:>4} daemons gone  {:>8} frames {:>6} notices  \
         RSS {:>9}  queued {:>9}  {:>4} files  CPU {:>3.0} % + {:>3.0} % load",
        at.as_secs_f64(),
        totals.phones_ended,
        totals.daemons_crashed + totals.daemons_left + totals.takeovers,
        frames(totals),
        totals.notices,
        mib(usage.resident_bytes as f64),
        mib(*queued_bytes),
        usage.open_files,
        relay * 100.0,
        load * 100.0,
    ))
}

fn frames(totals: &Totals) -> u64 {
    totals.frames_received_by_daemons + totals.frames_received_by_phones
}

impl Report<'_> {
    /// The closing table.
    pub(super) fn table(&self) -> String {
        let totals = &self.totals;
        let (relay, load) = self.series.load();
        let mut rows = vec![
            ("seed", format!("{:#x}", self.seed)),
            ("traffic", format!("{:.0} s", self.duration.as_secs_f64())),
            (
                "phones",
                format!(
                    "{} dialled, {} registered, {} ended: {} dropped, {} offended, {} evicted, {} refused",
                    totals.phones_dialled,
                    totals.phones_registered,
                    totals.phones_ended,
                    totals.phones_dropped,
                    totals.phones_offended,
                    totals.phones_evicted,
                    totals.phones_refused
                ),
            ),
            (
                "daemons",
                format!(
                    "{} claims, {} refused, {} crashed, {} left, {} displaced",
                    totals.daemons_claimed,
                    totals.claims_refused,
                    totals.daemons_crashed,
                    totals.daemons_left,
                    totals.takeovers
                ),
            ),
            (
                "frames",
                format!(
                    "{} of {} up, {} of {} down, all checked",
                    totals.frames_received_by_daemons,
                    totals.frames_sent_by_phones,
                    totals.frames_received_by_phones,
                    totals.frames_sent_by_daemons
                ),
            ),
            (
                "envelopes",
                format!(
                    "{} notices, {} directives, {} bad ones",
                    totals.notices, totals.directives, totals.bad_envelopes
                ),
            ),
            ("strangers", totals.requests.to_string()),
            (
                "open files",
                match self.files {
                    (start, Some(end)) => format!("{start} at the start, {end} at the end"),
                    (start, None) => format!("{start} at the start"),
                },
            ),
            (
                "processor",
                format!(
                    "relay {:.1} %, load {:.1} %, at most {:.1} s between two samples",
                    relay * 100.0,
                    load * 100.0,
                    self.series.longest_gap().as_secs_f64()
                ),
            ),
        ];
        if let Some(memory) = self.memory {
            rows.push((
                "resident",
                format!(
                    "{} at the start of the line, {} ± {} in {:.0} s ({} an hour), {} allowed",
                    mib(memory.trend.start),
                    mib(memory.trend.growth),
                    mib(memory.trend.error),
                    memory.window.as_secs_f64(),
                    mib(memory.per_hour()),
                    mib(memory.allowed)
                ),
            ));
        }
        let rows = rows
            .into_iter()
            .map(|(name, value)| format!("{name:>12}  {value}\n"));
        rows.collect()
    }

    /// Writes `summary.json` and `series.csv`.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let (relay, load) = self.series.load();
        let memory = self.memory.map(|memory| {
            json!({
                "start_bytes": memory.trend.start,
                "growth_bytes": memory.trend.growth,
                "growth_error_bytes": memory.trend.error,
                "window_seconds": memory.window.as_secs_f64(),
                "growth_bytes_per_hour": memory.per_hour(),
                "allowed_bytes": memory.allowed,
            })
        });
        let checks: Vec<_> = self
            .checks
            .iter()
            .map(|check| json!({"name": check.name, "failure": check.outcome.as_ref().err()}))
            .collect();
        let totals: Map<String, Value> = self
            .totals
            .named()
            .map(|(name, total)| (name.to_owned(), total.into()))
            .collect();
        let summary = json!({
            "seed": self.seed,
            "traffic_seconds": self.duration.as_secs_f64(),
            "totals": totals,
            "resident": memory,
            "open_files": {"start": self.files.0, "end": self.files.1},
            "cpu": {"relay": relay, "load": load},
            "longest_gap_seconds": self.series.longest_gap().as_secs_f64(),
            "log_lines": self.logbook.counts(),
            "checks": checks,
        });
        let text = serde_json::to_string_pretty(&summary)?;
        let path = directory.join("summary.json");
        fs::write(&path, text + "\n").with_context(|| path.display().to_string())?;
        let path = directory.join("series.csv");
        fs::write(&path, self.series.csv()).with_context(|| path.display().to_string())
    }
}
