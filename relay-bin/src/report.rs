//! The summary of a drain, as one log record.

use std::time::Duration;

use relay_shutdown::{Outcome, ShutdownReport};
use tracing::{info, warn};

pub(crate) fn log(report: &ShutdownReport) {
    let ShutdownReport {
        outcome,
        binaries,
        phones,
        closed,
        cut,
        frames_flushed,
        frames_dropped,
        ..
    } = *report;
    let asked = millis(report.asked_after);
    let gone = report.legs_gone_after.map(millis);
    let duration = millis(report.elapsed);
    let err = match outcome {
        Outcome::Complete => None,
        Outcome::DeadlineExceeded => Some("deadline exceeded"),
        Outcome::CutShort => Some("second signal"),
    };
    match err {
        None => info!(
            binaries,
            phones,
            closed,
            cut,
            frames_flushed,
            frames_dropped,
            asked,
            gone,
            duration,
            "shutdown complete"
        ),
        Some(err) => warn!(
            err,
            binaries,
            phones,
            closed,
            cut,
            frames_flushed,
            frames_dropped,
            asked,
            gone,
            duration,
            "drain incomplete"
        ),
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1}ms", duration.as_secs_f64() * 1000.0)
}
