//! What was measured each second, and what it must not do.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::page::Page;
use super::process::Usage;
use super::trend::Trend;

const MIB: f64 = 1_048_576.0;

/// Measured parts shorter than this are judged as a whole, longer ones by what they add in an hour.
const SHORT: Duration = Duration::from_secs(600);

/// What a short run may add: the standard error of two minutes was 0.2 to 0.6 MiB when it was measured, and a leak of
/// 1 KiB for each connection made 5.5 MiB.
const ALLOWED_IN_ALL: f64 = 2.0 * MIB;

/// The same as a share of what is resident, for a relay that holds more.
const ALLOWED_SHARE: f64 = 0.05;

/// What a long run may add in an hour: some fifteen bytes for each of its connections.
const ALLOWED_IN_AN_HOUR: f64 = 4.0 * MIB;

/// One moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) usage: Usage,
    /// Processor time of this process.
    pub(super) own_cpu: Duration,
    pub(super) connections: f64,
    pub(super) binaries: f64,
    pub(super) phones: f64,
    pub(super) queued_bytes: f64,
}

impl Sample {
    pub(super) fn of(at: Duration, usage: Usage, own: Usage, page: &Page) -> Self {
        Self {
            at,
            usage,
            own_cpu: own.cpu,
            connections: page.sum("connections", &[]),
            binaries: page.sum("connected_binaries", &[]),
            phones: page.sum("connected_phones", &[]),
            queued_bytes: page.sum("queue_bytes", &[]),
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Series(Vec<Sample>);

/// How resident memory went, once the first quarter was over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) trend: Trend,
    pub(super) window: Duration,
    pub(super) allowed: f64,
}

impl Series {
    pub(super) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    pub(super) fn last(&self) -> Option<&Sample> {
        self.0.last()
    }

    /// The sample `seconds` before the last, or the first.
    pub(super) fn before(&self, seconds: usize) -> Option<&Sample> {
        let at = self.0.len().saturating_sub(seconds + 1);
        self.0.get(at)
    }

    /// What comes after the warm-up.
    fn measured(&self) -> &[Sample] {
        &self.0[self.0.len() / 4..]
    }

    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        let measured = self.measured();
        let resident: Vec<f64> = measured
            .iter()
            .map(|sample| sample.usage.resident_bytes as f64)
            .collect();
        let trend = Trend::of(&resident).context("the run is too short to measure anything")?;
        let window = match measured {
            [first, .., last] => last.at.saturating_sub(first.at),
            _ => Duration::ZERO,
        };
        Ok(Memory {
            trend,
            window,
            allowed: allowed_growth(trend.start, window),
        })
    }

    /// Processor time per time, of the relay and of this process, over everything measured.
    pub(super) fn load(&self) -> (f64, f64) {
        let [first, .., last] = self.measured() else {
            return (0.0, 0.0);
        };
        load_between(first, last)
    }

    /// The longest time between two samples: a second, unless the machine had no time for this process.
    pub(super) fn longest_gap(&self) -> Duration {
        let gaps = self
            .0
            .windows(2)
            .map(|pair| pair[1].at.saturating_sub(pair[0].at));
        gaps.max().unwrap_or_default()
    }

    pub(super) fn most_threads(&self) -> u64 {
        let threads = self.0.iter().map(|sample| sample.usage.threads);
        threads.max().unwrap_or_default()
    }

    /// One line for each sample, for whoever wants to draw it.
    pub(super) fn csv(&self) -> String {
        let mut text = "seconds,resident_bytes,open_files,threads,connections,binaries,phones,queued_bytes,cpu_seconds,load_cpu_seconds\n".to_owned();
        for sample in &self.0 {
            let Sample {
                at,
                usage,
                own_cpu,
                connections,
                binaries,
                phones,
                queued_bytes,
            } = sample;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:.1},{},{},{},{connections},{binaries},{phones},{queued_bytes},{:.2},{:.2}",
                at.as_secs_f64(),
                usage.resident_bytes,
                usage.open_files,
                usage.threads,
                usage.cpu.as_secs_f64(),
                own_cpu.as_secs_f64()
            );
        }
        text
    }
}

/// Processor time per time between two samples, of the relay and of this process.
pub(super) fn load_between(from: &Sample, to: &Sample) -> (f64, f64) {
    let time = to.at.saturating_sub(from.at).as_secs_f64().max(0.001);
    let share = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() / time;
    (
        share(from.usage.cpu, to.usage.cpu),
        share(from.own_cpu, to.own_cpu),
    )
}

fn allowed_growth(resident: f64, window: Duration) -> f64 {
    if window < SHORT {
        ALLOWED_IN_ALL.max(resident * ALLOWED_SHARE)
    } else {
        ALLOWED_IN_AN_HOUR * window.as_secs_f64() / 3600.0
    }
}

impl Memory {
    /// Growth as it would be in an hour, in bytes.
    pub(super) fn per_hour(self) -> f64 {
        self.trend.growth * 3600.0 / self.window.as_secs_f64().max(1.0)
    }

    pub(super) fn judge(self) -> anyhow::Result<()> {
        let Self {
            trend,
            window,
            allowed,
        } = self;
        ensure!(
            !trend.exceeds(allowed),
            "resident memory grew by {:.2} MiB (± {:.2}) in {:.0} s, from {:.1} MiB; {:.2} MiB are allowed",
            trend.growth / MIB,
            trend.error / MIB,
            window.as_secs_f64(),
            trend.start / MIB,
            allowed / MIB
        );
        Ok(())
    }
}

/// Bytes as they are read.
pub(super) fn mib(bytes: f64) -> String {
    format!("{:.2} MiB", bytes / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_the_run_the_less_it_may_add() {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        assert_eq!(allowed_growth(20.0 * MIB, minutes(1)), 2.0 * MIB);
        assert_eq!(allowed_growth(100.0 * MIB, minutes(1)), 5.0 * MIB);
        assert_eq!(allowed_growth(100.0 * MIB, minutes(30)), 2.0 * MIB);
        assert_eq!(allowed_growth(100.0 * MIB, minutes(60)), 4.0 * MIB);
    }
}
