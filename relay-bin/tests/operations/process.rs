//! The executable as a process of its own, for what only its log tells.

use std::net::SocketAddr;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::PATIENCE;
use crate::http;

/// A relay that serves.
///
/// # Drop
/// Killed.
pub(crate) struct Process {
    child: Child,
    log: watch::Receiver<Vec<String>>,
    _reading: JoinSet<()>,
}

impl Process {
    /// Waits until its metrics page answers.
    pub(crate) async fn start(metrics: SocketAddr, args: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pyrycode-relay"))
            .args(args)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let (written, log) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                written.send_modify(|lines: &mut Vec<String>| lines.push(line));
            }
        });
        let is_up = async {
            while http::try_get(metrics, "/metrics").await.is_none() {
                assert_eq!(child.try_wait().unwrap(), None, "{:?}", *log.borrow());
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_up).await.expect("it comes up");
        Self {
            child,
            log,
            _reading: reading,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for a line with all of these in it.
    pub(crate) async fn logged(&self, parts: &[&str]) {
        let mut log = self.log.clone();
        let is_told = |lines: &Vec<String>| {
            let mut lines = lines.iter();
            lines.any(|line| parts.iter().all(|part| line.contains(part)))
        };
        let told = timeout(PATIENCE, log.wait_for(is_told));
        let is_told = told.await.is_ok_and(|told| told.is_ok());
        assert!(is_told, "no {parts:?} in {:#?}", *self.log.borrow());
    }

    /// Stops it, which has to end well; everything it wrote.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.signal(Signal::TERM);
        let ended = timeout(PATIENCE, self.child.wait()).await.unwrap();
        assert_eq!(ended.unwrap().code(), Some(0));
        while self.log.changed().await.is_ok() {}
        self.log.borrow().clone()
    }
}
