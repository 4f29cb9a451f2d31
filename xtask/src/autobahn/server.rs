//! The echo server under examination.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running echo server.
///
/// # Drop
/// Kills it; it ends with its standard input too, so that nothing is left over even after a kill of ours.
#[derive(Debug)]
pub(super) struct Server {
    address: String,
    _child: Child,
}

impl Server {
    /// Starts it and waits for its address.
    pub(super) async fn start(program: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut address = String::new();
        BufReader::new(stdout)
            .read_line(&mut address)
            .await
            .context("could not read the server's address")?;
        let address = address.trim().to_owned();
        ensure!(!address.is_empty(), "the echo server ended at once");
        Ok(Self {
            address,
            _child: child,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}
