//! Sockets that were open before this process began, and that it was given: by systemd (socket activation) or by the
//! process that it is to succeed.
//!
//! Owns taking them, once, and saying what they are; whether they fit is `config`'s to judge. `listenfd` turns the
//! numbers into sockets, so that no code of ours has to vouch for a number.

use std::env::{VarError, var};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use listenfd::ListenFd;

use crate::config::ActivatedSocket;

/// What a process was given; by default, nothing.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(String, Option<TcpListener>)>,
    parent: Option<Parent>,
}

/// The process to succeed, which goes on until it is told.
#[derive(Debug)]
pub(crate) struct Parent(UnixDatagram);

/// Names the sockets given to a successor, in place of systemd's `LISTEN_FDNAMES`: the process id that `LISTEN_PID` has to
/// name is not known before there is a process.
pub(crate) const UPGRADE_FDS: &str = "PYRYCODE_RELAY_UPGRADE_FDS";

/// The name of the line to the process to succeed.
pub(crate) const PARENT: &str = "parent";

/// Where sockets begin: behind the standard streams, as systemd has it.
pub(crate) const FIRST_SOCKET: i32 = 3;

impl Inherited {
    /// What this process was given. Must be called before there is another thread, and finds nothing a second time:
    /// the variables are taken away, so that no child of ours takes them for its own.
    #[must_use]
    pub fn take() -> Self {
        let names = match var("LISTEN_PID") {
            Ok(pid) if pid == std::process::id().to_string() => var("LISTEN_FDNAMES"),
            Err(VarError::NotPresent) if var(UPGRADE_FDS).is_ok() => var(UPGRADE_FDS),
            Ok(_) | Err(_) => return Self::default(),
        };
        let mut names = names.iter().flat_map(|names| names.split(':'));
        let mut fds = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..fds.len() {
            // What sd_listen_fds_with_names(3) calls them, too.
            let name = names.next().unwrap_or("unknown");
            if name == PARENT {
                let line = fds.take_unix_datagram(index).ok().flatten();
                inherited.parent = line.map(Parent);
            } else {
                let socket = fds.take_tcp_listener(index).ok().flatten();
                let socket = socket.filter(is_listening);
                inherited.sockets.push((name.to_owned(), socket));
            }
        }
        inherited
    }

    /// The same in words, for the configuration.
    pub(crate) fn described(&self) -> Vec<ActivatedSocket> {
        let sockets = self.sockets.iter().map(|(name, socket)| ActivatedSocket {
            name: name.clone(),
            addr: socket.as_ref().and_then(|socket| socket.local_addr().ok()),
        });
        sockets.collect()
    }

    /// Hands out the listener of this name.
    pub(crate) fn listener(&mut self, name: &str) -> Option<TcpListener> {
        let mut sockets = self.sockets.iter_mut();
        sockets.find(|(its, _)| its == name)?.1.take()
    }

    /// Hands out the line to the process to succeed.
    pub(crate) fn parent(&mut self) -> Option<Parent> {
        self.parent.take()
    }
}

impl Parent {
    /// This process serves: the other one may go.
    pub(crate) fn let_go(self) {
        // One that is gone already needs no word.
        let _ = self.0.send(b"1");
    }
}

fn is_listening(socket: &TcpListener) -> bool {
    rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false)
}

/// For tests within the process, which has no sockets from before.
impl<N: Into<String>> FromIterator<(N, TcpListener)> for Inherited {
    fn from_iter<I: IntoIterator<Item = (N, TcpListener)>>(sockets: I) -> Self {
        let sockets = sockets.into_iter();
        let sockets =
            sockets.map(|(name, socket)| (name.into(), Some(socket).filter(is_listening)));
        Self {
            sockets: sockets.collect(),
            parent: None,
        }
    }
}
