//! The executable as its supervisor sees it: environment, flags, signals, standard error, exit code.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Output, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{PATIENCE, free_addr};
use crate::http::try_get;
use crate::page;
use crate::scratch::Scratch;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_pyrycode-relay");

/// A running relay; killed when dropped.
pub(crate) struct Executable {
    pub(crate) addr: SocketAddr,
    pub(crate) metrics: SocketAddr,
    child: Child,
    log: watch::Receiver<Vec<String>>,
    /// Ends when the process has closed its standard error.
    reading: JoinSet<()>,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) log: Vec<String>,
}

fn command(environment: &[(&str, &str)], args: &[String]) -> Command {
    bare(Command::new(EXECUTABLE), environment, args)
}

/// One that may open so many files, and cannot raise that.
fn command_with_files(max_files: u32, args: &[String]) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(format!("ulimit -n {max_files}; exec \"$0\" \"$@\""))
        .arg(EXECUTABLE);
    bare(shell, &[], args)
}

fn bare(mut command: Command, environment: &[(&str, &str)], args: &[String]) -> Command {
    command
        .args(args)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// As [`run`], as this user if one is given, who can reach a copy in `scratch`; at home there.
pub(crate) async fn run_as(uid: Option<u32>, scratch: &Scratch, args: &[String]) -> Output {
    let copy = scratch.path().join("pyrycode-relay");
    // By another process: what this one has open for writing, a child of a neighbouring test may hold.
    let copied = Command::new("cp").arg(EXECUTABLE).arg(&copy).status().await;
    assert!(copied.unwrap().success());
    let mut command = Command::new(copy);
    command
        .args(args)
        .env_clear()
        .env("HOME", scratch.path())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    let output = timeout(PATIENCE, command.output()).await;
    output.expect("it ends by itself").unwrap()
}

/// Runs to the end by itself.
pub(crate) async fn run(environment: &[(&str, &str)], args: &[String]) -> Output {
    let running = command(environment, args).output();
    let output = timeout(PATIENCE, running).await;
    output.expect("it ends by itself").unwrap()
}

fn args(listen: &str, addr: SocketAddr, metrics: SocketAddr, flags: &[&str]) -> Vec<String> {
    let mut args = vec![
        format!("{listen}={addr}"),
        format!("--metrics-listen={metrics}"),
        "--rate-limit-per-minute=0".to_owned(),
        "--max-connections-per-ip=1000".to_owned(),
    ];
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    args
}

impl Executable {
    /// With a metrics page and without limits on a single address, until it answers. The flags come behind those.
    pub(crate) async fn start(environment: &[(&str, &str)], flags: &[&str]) -> Self {
        Self::start_in(environment, "--insecure-listen", flags).await
    }

    /// The same with TLS, which the flags have the certificate for.
    pub(crate) async fn start_with_tls(environment: &[(&str, &str)], flags: &[&str]) -> Self {
        Self::start_in(environment, "--https-listen", flags).await
    }

    async fn start_in(environment: &[(&str, &str)], listen: &str, flags: &[&str]) -> Self {
        let (addr, metrics) = (free_addr(), free_addr());
        let args = args(listen, addr, metrics, flags);
        let mut relay = Self::launch(command(environment, &args), addr, metrics);
        relay.is_up(addr, "/readyz").await;
        relay
    }

    /// As [`Self::start`], with so many files to open at most.
    pub(crate) async fn start_with_files(max_files: u32, flags: &[&str]) -> Self {
        let (addr, metrics) = (free_addr(), free_addr());
        let args = args("--insecure-listen", addr, metrics, flags);
        let mut relay = Self::launch(command_with_files(max_files, &args), addr, metrics);
        relay.is_up(addr, "/readyz").await;
        relay
    }

    /// With these flags and no others, until its metrics page answers.
    pub(crate) async fn start_from(
        (addr, metrics): (SocketAddr, SocketAddr),
        args: &[String],
    ) -> Self {
        let mut relay = Self::launch(command(&[], args), addr, metrics);
        relay.is_up(metrics, "/metrics").await;
        relay
    }

    /// Given these sockets as systemd gives them, until it answers.
    pub(crate) async fn start_with_sockets<const N: usize>(
        sockets: [(&str, OwnedFd); N],
        (addr, metrics): (SocketAddr, SocketAddr),
        args: &[String],
    ) -> Self {
        let mut relay = Self::launch_with_sockets(sockets, (addr, metrics), args);
        relay.is_up(addr, "/readyz").await;
        relay
    }

    /// The same, whatever becomes of it.
    pub(crate) fn launch_with_sockets<const N: usize>(
        sockets: [(&str, OwnedFd); N],
        (addr, metrics): (SocketAddr, SocketAddr),
        args: &[String],
    ) -> Self {
        let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
        let mut shell = Command::new("/bin/sh");
        // Only the process itself knows its id, and the shell becomes it.
        shell
            .arg("-c")
            .arg("LISTEN_PID=$$ exec \"$0\" \"$@\"")
            .arg(EXECUTABLE);
        let announced = [
            ("LISTEN_FDS", &*N.to_string()),
            ("LISTEN_FDNAMES", &*names.join(":")),
        ];
        let mut command = bare(shell, &announced, args);
        let sockets = sockets.into_iter().zip(3..);
        let mappings = sockets.map(|((_, parent_fd), child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command.fd_mappings(mappings.collect()).unwrap();
        Self::launch(command, addr, metrics)
    }

    fn launch(mut command: Command, addr: SocketAddr, metrics: SocketAddr) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (written, log) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                written.send_modify(|log| log.push(line));
            }
        });
        Self {
            addr,
            metrics,
            child,
            log,
            reading,
        }
    }

    async fn is_up(&mut self, addr: SocketAddr, path: &str) {
        let answers = async {
            while try_get(addr, path).await.is_none() {
                let ended = self.child.try_wait().unwrap();
                assert_eq!(ended, None, "{:#?}", *self.log.borrow());
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, answers).await.expect("it comes up");
    }

    /// All that it has logged.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// The records with one of these messages. Wants `--log-format=json`.
    pub(crate) fn events(&self, messages: &[&str]) -> Vec<Value> {
        events(&self.log.borrow(), messages)
    }

    /// As [`Self::events`], once there are `count` of them.
    pub(crate) async fn wait_for(&self, messages: &[&str], count: usize) -> Vec<Value> {
        let mut log = self.log.clone();
        let enough = log.wait_for(|lines| events(lines, messages).len() >= count);
        let result = timeout(PATIENCE, enough).await;
        assert!(
            matches!(result, Ok(Ok(_))),
            "no {count} of {messages:?} in {:#?}",
            self.lines()
        );
        self.events(messages)
    }

    /// Waits for so many lines with all of these in them, those from before included.
    pub(crate) async fn logged_times(&self, count: usize, parts: &[&str]) {
        let mut log = self.log.clone();
        let is_told = |lines: &Vec<String>| {
            let told = lines
                .iter()
                .filter(|line| parts.iter().all(|part| line.contains(part)));
            told.count() >= count
        };
        let told = timeout(PATIENCE, log.wait_for(is_told));
        let is_told = told.await.is_ok_and(|told| told.is_ok());
        assert!(is_told, "no {count} of {parts:?} in {:#?}", self.lines());
    }

    /// Stops it, which has to end well; everything it wrote.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let ended = self.exit().await;
        assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
        ended.log
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    pub(crate) async fn exit(mut self) -> Ended {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let code = status.expect("it ends").unwrap().code();
        while self.reading.join_next().await.is_some() {}
        Ended {
            code,
            log: self.lines(),
        }
    }

    pub(crate) async fn metric(&self, series: &str) -> f64 {
        page::sample(self.metrics, series).await
    }

    pub(crate) async fn metric_becomes(&self, series: &str, value: f64) {
        page::becomes(self.metrics, series, value).await;
    }
}

/// The records with one of these messages.
pub(crate) fn events(lines: &[String], messages: &[&str]) -> Vec<Value> {
    let records = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    records
        .filter(|record| messages.iter().any(|message| record["msg"] == *message))
        .collect()
}
