//! What one scenario may use: relays of its own, started from the binary under test.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::ensure;

use super::log::Log;
use super::relay::Relay;
use crate::cli::E2eOptions;

/// The relays of one scenario.
#[derive(Debug)]
pub(super) struct Stage {
    binary: PathBuf,
    rounds: Option<NonZeroU32>,
    may_skip: bool,
    logs: Mutex<Vec<Log>>,
}

impl Stage {
    pub(super) fn new(binary: PathBuf, options: &E2eOptions) -> Self {
        Self {
            binary,
            rounds: options.rounds,
            may_skip: !options.plays_all,
            logs: Mutex::default(),
        }
    }

    /// A relay with no flags beyond its address, ready to serve.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) async fn relay(&self) -> anyhow::Result<Relay> {
        self.relay_with(&[]).await
    }

    /// A relay with these flags, ready to serve.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) async fn relay_with(&self, flags: &[&str]) -> anyhow::Result<Relay> {
        let relay = Relay::start(&self.binary, flags)?;
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(relay.log().clone());
        relay.ready().await?;
        Ok(relay)
    }

    /// A relay that logs everything it can.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) async fn verbose_relay(&self) -> anyhow::Result<Relay> {
        let relay = Relay::start_verbose(&self.binary)?;
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(relay.log().clone());
        relay.ready().await?;
        Ok(relay)
    }

    /// A relay from this executable that may be succeeded, ready to serve.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) async fn relay_with_successors(
        &self,
        executable: &Path,
        flags: &[&str],
    ) -> anyhow::Result<Relay> {
        let relay = self.noted(Relay::start_line(executable, flags)?);
        relay.ready().await?;
        Ok(relay)
    }

    /// A relay with these variables in its environment, ready to serve.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) async fn relay_under(&self, variables: &[(&str, PathBuf)]) -> anyhow::Result<Relay> {
        let relay = self.noted(Relay::start_under(&self.binary, variables)?);
        relay.ready().await?;
        Ok(relay)
    }

    /// A relay on this address, which may not listen yet.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) fn relay_at(&self, addr: SocketAddr) -> anyhow::Result<Relay> {
        Ok(self.noted(Relay::start_at(&self.binary, addr, &[])?))
    }

    /// A relay that is given this socket, as systemd gives it.
    ///
    /// # Errors
    ///
    /// It did not start.
    pub(super) fn relay_on(&self, socket: &TcpListener, addr: SocketAddr) -> anyhow::Result<Relay> {
        Ok(self.noted(Relay::start_on(&self.binary, socket, addr)?))
    }

    fn noted(&self, relay: Relay) -> Relay {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.push(relay.log().clone());
        relay
    }

    /// Whether a scenario has what it needs. Where it has not, it says so and passes, unless all are to be played.
    ///
    /// # Errors
    ///
    /// It has not, and nothing may be skipped.
    pub(super) fn has(&self, what: &str, is_found: bool) -> anyhow::Result<bool> {
        if !is_found {
            ensure!(self.may_skip, "missing: {what}");
            println!("     skipped, for want of {what}");
        }
        Ok(is_found)
    }

    /// The binary under test.
    pub(super) fn binary(&self) -> &Path {
        &self.binary
    }

    /// How often a scenario that repeats itself does so.
    pub(super) fn rounds(&self, default: u32) -> u32 {
        self.rounds.map_or(default, NonZeroU32::get)
    }

    /// The last lines of what each relay logged.
    pub(super) fn logs(&self, lines: usize) -> String {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let tails = logs.iter().enumerate().map(|(index, log)| {
            let all = log.lines();
            let tail: Vec<String> = all
                .iter()
                .skip(all.len().saturating_sub(lines))
                .map(|line| format!("     | {line}\n"))
                .collect();
            format!(
                "     relay {} logged {} lines:\n{}",
                index + 1,
                all.len(),
                tail.concat()
            )
        });
        tails.collect()
    }
}
