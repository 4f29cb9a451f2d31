//! Sockets that the process was given, held against the flags: each has a place in the mode, and is where that says.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use thiserror::Error;

use super::{ConfigProblem, Environment, Host, ListenAddr, Mode};
use crate::config::CertificateSource;

/// The relay's listener in plain HTTP, the relay's over TLS, the authority's challenges, the metrics page.
pub(crate) const HTTP: &str = "http";
pub(crate) const HTTPS: &str = "https";
pub(crate) const ACME: &str = "acme";
pub(crate) const METRICS: &str = "metrics";

/// A socket the process was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivatedSocket {
    /// What whoever gave it calls it.
    pub name: String,
    /// Where it listens; `None` if it is no listening TCP socket.
    pub addr: Option<SocketAddr>,
}

/// Why a socket is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ActivationError {
    /// Not one of the names.
    #[error("no listener has that name")]
    UnknownName,
    /// A listener is one socket.
    #[error("another socket has that name too")]
    Twice,
    /// A datagram socket, a UNIX socket, a connection, or no socket.
    #[error("it is not a listening TCP socket")]
    NotListening,
    /// The flags ask for other listeners.
    #[error("the flags ask for no such listener")]
    NotServed,
    /// The flag was given, and says something else.
    #[error("it listens elsewhere than --{flag} says")]
    Elsewhere {
        /// The flag's name.
        flag: &'static str,
    },
}

/// One problem for each socket that has no place in `mode`.
pub(super) fn check(environment: &Environment, mode: &Mode, problems: &mut Vec<ConfigProblem>) {
    let served: &[&str] = match mode {
        Mode::Insecure { .. } => &[HTTP, METRICS],
        Mode::Tls { certificates, .. } => match certificates {
            CertificateSource::Acme(_) => &[HTTPS, ACME, METRICS],
            CertificateSource::Files { .. } => &[HTTPS, METRICS],
        },
    };
    let sockets = &environment.activated;
    for (index, socket) in sockets.iter().enumerate() {
        let is_named = |other: &ActivatedSocket| other.name == socket.name;
        let refused = if ![HTTP, HTTPS, ACME, METRICS].contains(&&*socket.name) {
            ActivationError::UnknownName
        } else if sockets[..index].iter().any(is_named) {
            ActivationError::Twice
        } else if socket.addr.is_none() {
            ActivationError::NotListening
        } else if !served.contains(&&*socket.name) {
            ActivationError::NotServed
        } else {
            continue;
        };
        problems.push(problem(socket, refused));
    }
}

/// Where the socket of this name listens.
pub(super) fn addr(environment: &Environment, name: &str) -> Option<SocketAddr> {
    let mut sockets = environment.activated.iter();
    sockets.find(|socket| socket.name == name)?.addr
}

/// Refuses the socket of this name.
pub(super) fn refuse(
    environment: &Environment,
    name: &str,
    source: ActivationError,
) -> Option<ConfigProblem> {
    let mut sockets = environment.activated.iter();
    let socket = sockets.find(|socket| socket.name == name)?;
    Some(problem(socket, source))
}

fn problem(socket: &ActivatedSocket, source: ActivationError) -> ConfigProblem {
    ConfigProblem::Activation {
        name: socket.name.clone(),
        addr: socket.addr.map(|addr| addr.to_string()),
        source,
    }
}

impl ListenAddr {
    /// Where a socket listens already; `None` for port 0, which no socket listens on.
    pub(super) fn of(addr: SocketAddr) -> Option<Self> {
        Some(Self {
            host: Host::Ip(addr.ip()),
            port: NonZeroU16::new(addr.port())?,
        })
    }

    /// Whether a socket there is what this asks for. A name may resolve to any address.
    pub(super) fn is_at(&self, addr: SocketAddr) -> bool {
        let is_there = match &self.host {
            Host::Any => addr.ip().is_unspecified(),
            Host::Ip(ip) => addr.ip() == *ip,
            Host::Name(_) => true,
        };
        is_there && self.port.get() == addr.port()
    }
}
