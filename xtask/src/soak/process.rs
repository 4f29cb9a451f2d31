//! The relay under load, as the system sees it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;

use super::page::Page;
use crate::e2e::http::Request;
use crate::e2e::raw::RawPeer;
use crate::e2e::{ports, relay};

/// Every peer comes from one address, as fast as it likes.
const FLAGS: [&str; 3] = [
    "--rate-limit-per-minute=0",
    "--max-connections-per-ip=1000000",
    "--drain-deadline=10s",
];

/// How long it may take to stop when nobody is connected.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// One relay; killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pid: Pid,
    addr: SocketAddr,
    metrics: SocketAddr,
}

/// What `/proc` says of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    pub(super) resident_bytes: u64,
    pub(super) open_files: usize,
    pub(super) threads: u64,
    pub(super) cpu: Duration,
}

impl Process {
    /// Starts it; what it logs is for the caller to read.
    pub(super) fn start(binary: &Path) -> anyhow::Result<(Self, ChildStderr)> {
        let (addr, metrics) = (ports::free()?, ports::free()?);
        let mut child = relay::command(binary)
            .arg(format!("--insecure-listen={addr}"))
            .arg(format!("--metrics-listen={metrics}"))
            .args(FLAGS)
            .spawn()
            .context("could not start the relay")?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).context("it has ended")?;
        let process = Self {
            child,
            pid,
            addr,
            metrics,
        };
        Ok((process, stderr))
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it uses now.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        usage(&format!("/proc/{}", self.pid.as_raw_nonzero()))
    }

    /// Its metrics page, on a connection of its own.
    pub(super) async fn page(&self) -> anyhow::Result<Page> {
        let response = get(self.metrics, "/metrics").await?;
        Ok(Page::parse(&response))
    }

    /// `connected_binaries` and `connected_phones` of its health page.
    pub(super) async fn connected(&self) -> anyhow::Result<(u64, u64)> {
        let body: serde_json::Value = serde_json::from_str(&get(self.addr, "/healthz").await?)?;
        let count = |key: &str| body[key].as_u64().with_context(|| format!("no {key}"));
        Ok((count("connected_binaries")?, count("connected_phones")?))
    }

    /// Asks it to stop, and waits for its end.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        kill_process(self.pid, Signal::TERM).context("could not signal the relay")?;
        let status: ExitStatus = timeout(STOP_LIMIT, self.child.wait())
            .await
            .with_context(|| format!("it did not stop within {STOP_LIMIT:?}"))??;
        ensure!(status.code() == Some(0), "it ended with {status}");
        Ok(())
    }
}

/// For one page; what else goes on waits for it.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

async fn get(addr: SocketAddr, path: &str) -> anyhow::Result<String> {
    let asking = async {
        let mut peer = RawPeer::dial(addr).await?;
        peer.send_bytes(&Request::get(path).bytes()).await?;
        peer.response().await
    };
    let response = timeout(ANSWER_LIMIT, asking)
        .await
        .with_context(|| format!("no answer to {path} within {ANSWER_LIMIT:?}"))??;
    response.expect(200)?;
    Ok(String::from_utf8(response.body)?)
}

/// What this process uses, for the share of the load itself.
pub(super) fn own_usage() -> anyhow::Result<Usage> {
    usage("/proc/self")
}

fn usage(directory: &str) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("{directory}/stat")).context("the relay has ended")?;
    // The second field is the program's name in parentheses, which may itself hold spaces.
    let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // The first one here is the third of proc(5).
    let field = |number: usize| -> anyhow::Result<u64> {
        let text = fields.get(number - 3).context("a short stat")?;
        Ok(text.parse()?)
    };
    let ticks = field(14)? + field(15)?;
    Ok(Usage {
        resident_bytes: field(24)? * page_size() as u64,
        open_files: fs::read_dir(format!("{directory}/fd"))?.count(),
        threads: field(20)?,
        cpu: Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64),
    })
}
