//! The executable as a process: for what only its log tells.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Killed when dropped.
pub(crate) struct Executable {
    child: Child,
    log: JoinSet<String>,
}

impl Executable {
    /// With these variables for its whole environment.
    pub(crate) fn start(args: &[String], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pyrycode-relay"))
            .args(args)
            .env_clear()
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let mut log = JoinSet::new();
        log.spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        Self { child, log }
    }

    /// Stops it, and returns all that it logged.
    pub(crate) async fn stop(mut self) -> String {
        let pid = Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().await.unwrap().success());
        self.log.join_next().await.unwrap().unwrap()
    }
}
