//! A `host:port` to listen on: its syntax, not its resolution.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

/// An address to listen on; prints in the form it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddr {
    /// Which interface.
    pub host: Host,
    /// Which port; never 0, because peers are configured with it.
    pub port: NonZeroU16,
}

/// The host of a listen address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// None given: every interface, IPv6 and IPv4.
    Any,
    /// An IP address.
    Ip(IpAddr),
    /// A name for the resolver: a hostname, or an IPv6 address with its zone.
    Name(String),
}

impl ListenAddr {
    /// The address when no resolver is needed; for [`Host::Any`] that of IPv6, which takes IPv4 too on a dual-stack socket.
    #[must_use]
    pub fn literal(&self) -> Option<SocketAddr> {
        let ip = match self.host {
            Host::Any => Ipv6Addr::UNSPECIFIED.into(),
            Host::Ip(ip) => ip,
            Host::Name(_) => return None,
        };
        Some(SocketAddr::new(ip, self.port.get()))
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Any => write!(f, ":{port}"),
            Host::Ip(ip) => SocketAddr::new(*ip, port.get()).fmt(f),
            Host::Name(name) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Host::Name(name) => write!(f, "{name}:{port}"),
        }
    }
}

/// Why a text is not a listen address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenAddrError {
    /// No `:port` at the end.
    #[error("no port")]
    NoPort,
    /// The port is a name, negative, or above 65535.
    #[error("port is not a number from 1 to 65535")]
    BadPort,
    /// Port 0 lets the kernel choose.
    #[error("port 0 is not a fixed port")]
    PortZero,
    /// Colons in the host, but no brackets around it.
    #[error("an IPv6 address needs brackets")]
    Unbracketed,
    /// What is in brackets is not an IPv6 address.
    #[error("not an IPv6 address in brackets")]
    BadIpv6,
    /// The host is neither an IPv4 address nor a hostname.
    #[error("host is neither an IP address nor a hostname")]
    BadHost,
}

impl FromStr for ListenAddr {
    type Err = ListenAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(ListenAddrError::BadIpv6)?;
                let port = rest.strip_prefix(':').ok_or(ListenAddrError::NoPort)?;
                (bracketed(host)?, port)
            }
            None => {
                let (host, port) = text.rsplit_once(':').ok_or(ListenAddrError::NoPort)?;
                (unbracketed(host)?, port)
            }
        };
        let port = parse_port(port)?;
        Ok(Self { host, port })
    }
}

fn parse_port(text: &str) -> Result<NonZeroU16, ListenAddrError> {
    if text.is_empty() {
        return Err(ListenAddrError::NoPort);
    }
    // `u16::from_str` would take a plus sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ListenAddrError::BadPort);
    }
    let port = text.parse().map_err(|_| ListenAddrError::BadPort)?;
    NonZeroU16::new(port).ok_or(ListenAddrError::PortZero)
}

fn bracketed(host: &str) -> Result<Host, ListenAddrError> {
    let (address, zone) = match host.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (host, None),
    };
    let ip: Ipv6Addr = address.parse().map_err(|_| ListenAddrError::BadIpv6)?;
    match zone {
        None => Ok(Host::Ip(ip.into())),
        Some(zone) if is_label(zone) => Ok(Host::Name(host.to_owned())),
        Some(_) => Err(ListenAddrError::BadIpv6),
    }
}

fn unbracketed(host: &str) -> Result<Host, ListenAddrError> {
    if host.is_empty() {
        return Ok(Host::Any);
    }
    if host.contains(':') {
        return Err(ListenAddrError::Unbracketed);
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    let labels = host.strip_suffix('.').unwrap_or(host);
    // A last label of digits is a misspelt IPv4 address: no top-level domain is numeric (RFC 3696, section 2).
    let numeric = labels
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if host.len() > 253 || numeric || !labels.split('.').all(is_label) {
        return Err(ListenAddrError::BadHost);
    }
    Ok(Host::Name(host.to_owned()))
}

/// A hostname's label as resolvers take it: underscores occur in container networks.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
