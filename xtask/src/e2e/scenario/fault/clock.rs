//! The clock on the wall is set while the relay runs: its log follows, and nothing else does.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use crate::clock::Stopwatch;
use crate::e2e::log::Fields;
use crate::e2e::relay::Relay;
use crate::e2e::scenario::Scenario;
use crate::e2e::stage::Stage;
use crate::e2e::{process, tools};

pub(super) const ALL: &[Scenario] = &[scenario!(a_clock_that_jumps_moves_the_log_and_nothing_else)];

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// As libfaketime counts ten years.
const TEN_YEARS: i64 = 3_650 * DAY;

async fn a_clock_that_jumps_moves_the_log_and_nothing_else(stage: &Stage) -> anyhow::Result<()> {
    let library = tools::libfaketime();
    if !stage.has("libfaketime", library.is_some())? {
        return Ok(());
    }
    let clock = WallClock::new(library.unwrap_or_default())?;
    let mut relay = stage.relay_under(&clock.variables()).await?;
    let mut daemon = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    let left = relay.binary("left").await?;
    let (mut orphan, _) = relay.phone("left").await?;
    let mark = relay.log().mark();
    left.close(1000, "").await?;
    relay.log().event(mark, "server_released", &[]).await?;

    let mut shown = 0;
    let (start, cpu) = (Stopwatch::start(), process::cpu_time(relay.pid()?)?);
    for (round, ahead) in [HOUR, -HOUR, TEN_YEARS, -TEN_YEARS, 0]
        .into_iter()
        .enumerate()
    {
        let before = now_in_log(&relay, round).await?;
        clock.set(ahead)?;
        let after = now_in_log(&relay, round).await?;
        let jumped = after - before;
        let slack = 5 + i64::try_from(start.elapsed().as_secs())?;
        ensure!(
            (jumped - (ahead - shown)).abs() <= slack,
            "the log jumped by {jumped} s from {shown} to {ahead}"
        );
        shown = ahead;
        let uptime = uptime_seconds(&relay).await?;
        ensure!(uptime <= 60, "up for {uptime} s when set {ahead} s ahead");
        // Time enough for whatever would turn in circles.
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        for number in 0..15 {
            pace.tick().await;
            let frame = format!("{round}{number}0").parse::<u32>()?.to_string();
            phone.send(frame.as_str()).await?;
            daemon.expect_frame(&conn_id, &frame).await?;
            daemon.send_to(&conn_id, &frame).await?;
            phone.expect_text(&frame).await?;
        }
    }
    let (elapsed, cpu) = (start.elapsed(), process::cpu_time(relay.pid()?)? - cpu);
    ensure!(cpu < elapsed / 2, "{cpu:?} of CPU time in {elapsed:?}");

    // The grace did not end with the jumps: who comes back does so within it.
    let mut back = relay.binary("left").await?;
    orphan
        .expect_close(4404, "binary reclaimed server-id")
        .await?;
    relay.signal(Signal::TERM)?;
    daemon.expect_notice(&conn_id, 1001).await?;
    daemon.expect_close(1001, "shutting down").await?;
    phone.expect_close(1001, "shutting down").await?;
    back.expect_close(1001, "shutting down").await?;
    relay.exits_cleanly_within(Duration::from_secs(5)).await
}

async fn uptime_seconds(relay: &Relay) -> anyhow::Result<u64> {
    let health: serde_json::Value = serde_json::from_slice(&relay.get("/healthz").await?.body)?;
    health["uptime_seconds"].as_u64().context("no uptime")
}

/// The time of a line that is logged just now, in seconds since 1970.
async fn now_in_log(relay: &Relay, round: usize) -> anyhow::Result<i64> {
    let mark = relay.log().mark();
    let asker = relay.binary(&format!("asker-{round}")).await?;
    asker.close(1000, "").await?;
    let line = relay.log().event(mark, "server_released", &[]).await?;
    seconds(&line)
}

/// Of a time such as `2026-11-22T09:00:00.123Z`.
fn seconds(line: &Fields) -> anyhow::Result<i64> {
    let time = line.get("time").context("a time")?;
    let numbers: Vec<i64> = time
        .split(['-', 'T', ':', '.', 'Z'])
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [year, month, day, hour, minute, second, _] = numbers[..] else {
        anyhow::bail!("no time: {time}");
    };
    // Years that begin in March have the leap day as their last.
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    const DAYS_BEFORE_1970: i64 = 719_469;
    Ok((days - DAYS_BEFORE_1970) * DAY + hour * HOUR + minute * 60 + second)
}

/// What a relay under libfaketime takes for the time of day; its monotonic clock is the system's.
struct WallClock {
    library: PathBuf,
    /// How far ahead it is.
    file: PathBuf,
}

impl WallClock {
    fn new(library: PathBuf) -> anyhow::Result<Self> {
        let name = format!("pyrycode-relay-e2e-{}-clock", std::process::id());
        let clock = Self {
            library,
            file: std::env::temp_dir().join(name),
        };
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it so many seconds ahead of the system's.
    fn set(&self, ahead: i64) -> anyhow::Result<()> {
        // Renamed into place: it is read at each look at the clock.
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, format!("{ahead:+}\n"))?;
        fs::rename(&fresh, &self.file).context("could not set the clock")
    }

    fn variables(&self) -> [(&'static str, PathBuf); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}

impl Drop for WallClock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_of_lines() {
        for (time, expected) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799),
            ("2026-11-22T09:00:01.123Z", 1_795_338_001),
        ] {
            let line = Fields::of(&format!("time={time} level=INFO"));
            assert_eq!(seconds(&line).unwrap(), expected, "{time}");
        }
        assert!(seconds(&Fields::of("time=today level=INFO")).is_err());
    }
}
