//! The service manager's side channel: what systemd's `sd_notify(3)` says, as far as the relay says it.
//!
//! The protocol is a datagram of `NAME=value` lines to the socket that the environment names. Without one everything
//! here does nothing. It must not know what the relay does: it is told.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::warn;

use crate::clock;
use crate::config::Environment;

/// Who is told; clones tell the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supervisor {
    manager: Option<Arc<Manager>>,
    watchdog_timeout: Option<Duration>,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    addr: SocketAddr,
}

/// Sends the signs of life; ends with this handle.
#[derive(Debug)]
pub(crate) struct Watchdog {
    _pinging: JoinSet<()>,
}

/// A manager whose queue is full gets no more patience than this, on a thread that serves peers.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

impl Supervisor {
    /// That of the environment, if there is one.
    pub(crate) fn of(environment: &Environment) -> Self {
        let Some(address) = &environment.notify_socket else {
            return Self::default();
        };
        match Manager::at(address) {
            Ok(manager) => Self {
                manager: Some(Arc::new(manager)),
                watchdog_timeout: environment.watchdog_timeout,
            },
            Err(err) => {
                warn!(%err, "service manager not told");
                Self::default()
            }
        }
    }

    /// Every listener accepts.
    pub(crate) fn ready(&self) {
        self.tell("READY=1\nSTATUS=serving");
    }

    /// The configuration is being read again; [`ready`](Self::ready) follows.
    pub(crate) fn reloading(&self) {
        let now = clock::monotonic().as_micros();
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading"
        ));
    }

    /// Another process serves in this one's place, and is the one to be watched from here on.
    pub(crate) fn replaced_by(self, pid: u32) {
        self.tell(&format!("MAINPID={pid}\nREADY=1\nSTATUS=serving"));
    }

    /// The drain begins.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=draining");
    }

    /// Signs of life at half of the time the manager waits for them. They come from a worker of the runtime: when those
    /// hang, they stop.
    pub(crate) fn watchdog(&self) -> Watchdog {
        let mut pinging = JoinSet::new();
        if let (Some(_), Some(timeout)) = (&self.manager, self.watchdog_timeout) {
            let supervisor = self.clone();
            pinging.spawn(async move {
                let interval = (timeout / 2).max(LEAST_INTERVAL);
                // The first one is due after the first half: a successor is not heard before it is the main process.
                let mut turns =
                    tokio::time::interval_at((clock::now() + interval).into(), interval);
                loop {
                    turns.tick().await;
                    supervisor.tell("WATCHDOG=1");
                }
            });
        }
        Watchdog { _pinging: pinging }
    }

    /// A lost word is nothing to end for: the manager's own timeouts see to it.
    fn tell(&self, state: &str) {
        if let Some(manager) = &self.manager
            && let Err(err) = manager.send(state)
        {
            warn!(%err, "service manager not told");
        }
    }
}

/// tokio's interval refuses zero.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

impl Manager {
    fn at(address: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self {
            socket,
            addr: parse(address)?,
        })
    }

    fn send(&self, state: &str) -> io::Result<()> {
        let sent = self.socket.send_to_addr(state.as_bytes(), &self.addr)?;
        debug_assert_eq!(sent, state.len(), "a datagram is whole");
        Ok(())
    }
}

/// A path, or a name in Linux's abstract namespace behind an `@`.
fn parse(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(Path::new(address)),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "NOTIFY_SOCKET is neither a path nor an abstract name",
        )),
    }
}

#[cfg(test)]
mod tests;
