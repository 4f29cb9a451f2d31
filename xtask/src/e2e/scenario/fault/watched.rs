//! A relay that has to end a scenario as it began it: its gauges, its descriptors, and nothing amiss in its log.

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::interval;

use crate::e2e::log::Fields;
use crate::e2e::ports;
use crate::e2e::process::{self, Resident};
use crate::e2e::relay::Relay;
use crate::e2e::scenario::ops_page;
use crate::e2e::stage::Stage;

/// Between two looks at something that has to become so: each look at the page is a connection.
const PACE: Duration = Duration::from_millis(10);

/// Gauges that are 0 while nobody is connected.
const GAUGES: [&str; 4] = [
    "pyrycode_relay_connected_binaries",
    "pyrycode_relay_connected_phones",
    "pyrycode_relay_connections",
    QUEUE_BYTES,
];

pub(super) const QUEUE_BYTES: &str = "pyrycode_relay_queue_bytes";

/// A relay with a metrics page, and what it held before anybody had come.
#[derive(Debug)]
pub(super) struct Watched {
    relay: Relay,
    metrics: SocketAddr,
    files: usize,
}

impl Deref for Watched {
    type Target = Relay;

    fn deref(&self) -> &Relay {
        &self.relay
    }
}

impl Watched {
    /// Starts one, and notes what it holds.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) async fn start(stage: &Stage, flags: &[&str]) -> anyhow::Result<Self> {
        let metrics = ports::free()?;
        let page = format!("--metrics-listen={metrics}");
        let flags: Vec<&str> = flags.iter().copied().chain([page.as_str()]).collect();
        let relay = stage.relay_with(&flags).await?;
        let mut watched = Self {
            relay,
            metrics,
            files: 0,
        };
        watched.files = watched.files_without_connections().await?;
        Ok(watched)
    }

    /// The relay, to be stopped.
    pub(super) fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    /// A series of the metrics page.
    pub(super) async fn sample(&self, series: &str) -> anyhow::Result<f64> {
        ops_page::sample(self.metrics, series).await
    }

    /// Waits until a series has this value.
    pub(super) async fn becomes(&self, series: &str, value: f64) -> anyhow::Result<()> {
        let mut pace = interval(PACE);
        while self.sample(series).await? != value {
            pace.tick().await;
        }
        Ok(())
    }

    /// Its memory.
    pub(super) fn resident(&self) -> anyhow::Result<Resident> {
        process::resident(self.relay.pid()?)
    }

    /// Waits until everything is as before the first peer, and looks for what went wrong meanwhile.
    ///
    /// # Errors
    ///
    /// The relay has logged an error.
    pub(super) async fn expect_as_before(&self) -> anyhow::Result<()> {
        for gauge in GAUGES {
            self.becomes(gauge, 0.0).await?;
        }
        let files = self.files_without_connections().await?;
        ensure!(
            files == self.files,
            "{files} descriptors are open, {} were",
            self.files
        );
        self.expect_no_error()
    }

    /// Nothing went wrong so far.
    ///
    /// # Errors
    ///
    /// The relay has logged an error.
    pub(super) fn expect_no_error(&self) -> anyhow::Result<()> {
        let lines = self.relay.log().lines();
        let mut errors = lines
            .iter()
            .filter(|line| Fields::of(line).get("level") == Some("ERROR"));
        let error = errors.next();
        ensure!(error.is_none(), "the relay has logged {error:?}");
        Ok(())
    }

    /// Waits until no connection is left, those of our own questions included, and counts the descriptors that are.
    async fn files_without_connections(&self) -> anyhow::Result<usize> {
        let process = self.relay.pid()?;
        let id = u32::try_from(process.as_raw_nonzero().get())?;
        let mut pace = interval(PACE);
        while ports::connections_of(id)? > 0 {
            pace.tick().await;
        }
        process::open_files(process)
    }
}
