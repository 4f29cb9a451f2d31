//! A restart without a gap: this executable, as it is on disk by now, started beside this process on its sockets.
//!
//! Owns the successor until it serves, and the words between the two. It must not know what the sockets are for, and
//! what becomes of this process when the successor serves is `serve`'s to say.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt, FdMapping};
use thiserror::Error;
use tokio::process::{Child, Command};

use crate::boot::inherited::{FIRST_SOCKET, PARENT, UPGRADE_FDS};
use crate::clock;

/// How to start this process again.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) executable: PathBuf,
    pub(crate) args: Vec<OsString>,
}

/// A successor that does not serve yet.
///
/// # Drop
/// Kills it, unless it has served.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    line: tokio::net::UnixDatagram,
    started: Instant,
    serves: bool,
}

/// Why there is no successor.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum UpgradeError {
    /// Of the operating system, or of whoever put the executable there.
    #[error("could not start the successor")]
    NotStarted {
        /// What the system says.
        #[from]
        source: io::Error,
    },
    /// Its own log lines say why.
    #[error("the successor ended before it served: {status}")]
    Ended {
        /// How.
        status: ExitStatus,
    },
    /// It hangs, or the machine does.
    #[error("the successor did not serve within {SUCCESSOR_TIMEOUT:?}")]
    Late,
}

/// From the start of a successor to its listeners: it reads files and resolves names, and asks nothing of a network.
const SUCCESSOR_TIMEOUT: Duration = Duration::from_secs(10);

impl Successor {
    /// Starts it, with these sockets under these names.
    pub(crate) fn start(
        program: &Program,
        sockets: Vec<(&'static str, OwnedFd)>,
    ) -> Result<Self, UpgradeError> {
        let (line, theirs) = UnixDatagram::pair()?;
        line.set_nonblocking(true)?;
        let line = tokio::net::UnixDatagram::from_std(line)?;
        let mut given = sockets;
        given.push((PARENT, theirs.into()));

        let names: Vec<_> = given.iter().map(|(name, _)| *name).collect();
        let mut command = Command::new(&program.executable);
        command
            .args(&program.args)
            .env(UPGRADE_FDS, names.join(":"))
            .env("LISTEN_FDS", given.len().to_string())
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES")
            // Names this process, and the successor is watched in its place.
            .env_remove("WATCHDOG_PID");
        let mappings = (FIRST_SOCKET..).zip(given);
        let mappings = mappings.map(|(child_fd, (_, parent_fd))| FdMapping {
            parent_fd,
            child_fd,
        });
        command
            .fd_mappings(mappings.collect())
            .map_err(io::Error::other)?;
        Ok(Self {
            child: command.spawn()?,
            line,
            started: clock::now(),
            serves: false,
        })
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn age(&self) -> Duration {
        clock::now() - self.started
    }

    /// Waits until it serves.
    ///
    /// # Cancel safety
    /// Waiting goes on at the next call.
    pub(crate) async fn serves(&mut self) -> Result<(), UpgradeError> {
        let deadline = self.started + SUCCESSOR_TIMEOUT;
        let mut word = [0; 1];
        tokio::select! {
            biased;
            told = self.line.recv(&mut word) => {
                told?;
                self.serves = true;
                Ok(())
            }
            status = self.child.wait() => Err(UpgradeError::Ended { status: status? }),
            () = tokio::time::sleep_until(deadline.into()) => Err(UpgradeError::Late),
        }
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if !self.serves {
            // Fails when it has ended, which is as good.
            let _ = self.child.start_kill();
        }
    }
}
