//! Sockets that were open before this process began, and that it was given: systemd's socket activation.
//!
//! Owns taking them, once, and saying what they are; whether they fit is `config`'s to judge. `listenfd` turns the
//! numbers into sockets, so that no code of ours has to vouch for a number.

use std::env::{VarError, var};
use std::net::TcpListener;

use listenfd::ListenFd;

use crate::config::ActivatedSocket;

/// What a process was given; by default, nothing.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(String, Option<TcpListener>)>,
}

impl Inherited {
    /// What this process was given. Must be called before there is another thread, and finds nothing a second time:
    /// the variables are taken away, so that no child of ours takes them for its own.
    #[must_use]
    pub fn take() -> Self {
        if var("LISTEN_PID") != Ok(std::process::id().to_string()) {
            return Self::default();
        }
        let names = var("LISTEN_FDNAMES");
        Self::named(&mut ListenFd::from_env(), &names)
    }

    fn named(fds: &mut ListenFd, names: &Result<String, VarError>) -> Self {
        let mut names = names.iter().flat_map(|names| names.split(':'));
        let sockets = (0..fds.len()).map(|index| {
            // What sd_listen_fds_with_names(3) calls them, too.
            let name = names.next().unwrap_or("unknown");
            let socket = fds.take_tcp_listener(index).ok().flatten();
            (name.to_owned(), socket.filter(is_listening))
        });
        Self {
            sockets: sockets.collect(),
        }
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
        }
    }
}
