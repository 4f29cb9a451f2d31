//! Building, starting and pinning what takes part in a measurement.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::thread::CpuSet;
use serde_json::Value;

use super::BenchOptions;
use crate::clock::Stopwatch;
use crate::workspace::Workspace;

/// Until a server answers its first connect.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// Limits that a load from one machine would run into.
const RELAY_ARGS: &[&str] = &[
    "--metrics-listen=",
    "--rate-limit-per-minute=60000",
    "--rate-limit-burst=1000000",
    "--max-connections=16000",
    "--max-connections-per-ip=16000",
];

/// Which processor a process is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Core {
    /// Of what is measured.
    Measured,
    /// Of everybody else.
    Load,
    Any,
}

/// The executables, and where results go.
#[derive(Debug)]
pub(super) struct Bench {
    relay: PathBuf,
    load: PathBuf,
    directory: PathBuf,
    pub(super) is_quick: bool,
}

impl Bench {
    /// Builds what is not given, as it is released.
    pub(super) fn build(workspace: &Workspace, options: &BenchOptions) -> anyhow::Result<Self> {
        let directory = workspace.root().join("target").join("bench");
        fs::create_dir_all(&directory).context("target/bench")?;
        let mut packages = vec!["--package", "relay-bench"];
        if options.binary.is_none() {
            packages.extend(["--package", "relay-bin"]);
        }
        let mut build = workspace.cargo();
        build.args(["build", "--release"]).args(&packages);
        ensure!(
            build.status().context("cargo build")?.success(),
            "cargo build failed"
        );
        let built = workspace.root().join("target").join("release");
        Ok(Self {
            relay: options
                .binary
                .clone()
                .unwrap_or_else(|| built.join("pyrycode-relay")),
            load: built.join("relay-bench"),
            directory,
            is_quick: options.is_quick,
        })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn relay_path(&self) -> &Path {
        &self.relay
    }

    /// How often something is repeated, or how many there are of it.
    pub(super) fn scaled(&self, count: usize) -> usize {
        if self.is_quick {
            (count / 5).max(1)
        } else {
            count
        }
    }

    pub(super) fn scaled_ms(&self, full: u64) -> String {
        (if self.is_quick { full / 5 } else { full }).to_string()
    }

    /// A relay on plain HTTP.
    pub(super) fn relay(&self) -> anyhow::Result<Server> {
        let addr = free_address()?;
        let listen = format!("--insecure-listen={addr}");
        self.relay_with(addr, &[&listen])
    }

    /// A relay that listens at `addr` as `args` tell it.
    pub(super) fn relay_with(&self, addr: SocketAddr, args: &[&str]) -> anyhow::Result<Server> {
        let mut command = Command::new(&self.relay);
        command.args(RELAY_ARGS).args(args);
        self.server("relay", addr, &mut command)
    }

    pub(super) fn forwarder(&self) -> anyhow::Result<Server> {
        let addr = free_address()?;
        let mut command = Command::new(&self.load);
        command.arg("forward").arg(format!("--listen={addr}"));
        self.server("forwarder", addr, &mut command)
    }

    /// Starts a server where it is measured; what it logs goes into a file beside the report.
    pub(super) fn server(
        &self,
        name: &str,
        addr: SocketAddr,
        command: &mut Command,
    ) -> anyhow::Result<Server> {
        let log = self.directory.join(format!("{name}.log"));
        let log = File::create(&log).with_context(|| log.display().to_string())?;
        command
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log));
        let child = spawn(command, Core::Measured).with_context(|| name.to_owned())?;
        let mut server = Server { child, addr };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Runs a load to its end and returns what it printed.
    pub(super) fn load(&self, mode: &str, server: &Server, args: &[&str]) -> anyhow::Result<Value> {
        let output = spawn(&mut self.load_command(mode, server, args), Core::Load)?
            .wait_with_output()
            .context("relay-bench")?;
        ensure!(
            output.status.success(),
            "relay-bench {mode} failed: {}",
            output.status
        );
        result(&String::from_utf8_lossy(&output.stdout))
    }

    /// Starts a load that says when it is ready.
    pub(super) fn background(
        &self,
        mode: &str,
        server: &Server,
        args: &[&str],
        core: Core,
    ) -> anyhow::Result<Background> {
        let mut command = self.load_command(mode, server, args);
        let mut child = spawn(command.stdin(Stdio::piped()), core)?;
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().context("standard output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        ensure!(
            line.trim() == "ready",
            "relay-bench {mode} said `{}`",
            line.trim()
        );
        Ok(Background {
            child,
            stdin,
            stdout,
        })
    }

    /// A load process that needs no server.
    pub(super) fn tool(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = Command::new(&self.load)
            .args(args)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "relay-bench {args:?} failed");
        result(&String::from_utf8_lossy(&output.stdout))
    }

    fn load_command(&self, mode: &str, server: &Server, args: &[&str]) -> Command {
        let mut command = Command::new(&self.load);
        command
            .arg(mode)
            .arg(format!("--target={}", server.addr))
            .arg(format!("--pid={}", server.child.id()))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        command
    }
}

fn result(stdout: &str) -> anyhow::Result<Value> {
    let last = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("relay-bench said `{last}`"))
}

/// A server under measurement.
///
/// # Drop
/// Kills it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) addr: SocketAddr,
}

impl Server {
    fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        let waiting = Stopwatch::start();
        while TcpStream::connect(self.addr).is_err() {
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("ended with {status}; its log is in target/bench");
            }
            ensure!(
                waiting.elapsed() < START_PATIENCE,
                "does not listen on {}",
                self.addr
            );
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Resident bytes.
    pub(super) fn rss(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("VmRSS")?;
        Ok(kibibytes.trim().parse::<f64>()? * 1024.0)
    }

    /// Collects it after it was asked to end.
    pub(super) fn exited(mut self) -> anyhow::Result<bool> {
        Ok(self.child.wait()?.success())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load that goes on until it is told to end, or killed.
///
/// # Drop
/// Kills it.
#[derive(Debug)]
pub(super) struct Background {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Background {
    pub(super) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends its standard input and returns what it found.
    pub(super) fn finish(mut self) -> anyhow::Result<Value> {
        drop(self.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest)?;
        ensure!(self.child.wait()?.success(), "a load failed");
        result(&rest)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // As for a server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process on its core: a child inherits what its parent is pinned to.
fn spawn(command: &mut Command, core: Core) -> anyhow::Result<Child> {
    let before = rustix::thread::sched_getaffinity(None)?;
    let cores: Vec<_> = (0..CpuSet::MAX_CPU)
        .filter(|core| before.is_set(*core))
        .collect();
    let chosen = match core {
        Core::Any => None,
        Core::Measured => cores.first(),
        Core::Load => cores.get(1),
    };
    if let (Some(chosen), 2..) = (chosen, cores.len()) {
        let mut only = CpuSet::new();
        only.set(*chosen);
        rustix::thread::sched_setaffinity(None, &only)?;
    }
    let child = command.spawn().context("spawn");
    rustix::thread::sched_setaffinity(None, &before)?;
    child
}

/// An address that nobody listens at now.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
