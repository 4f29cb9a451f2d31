//! Whose request this is: the socket's address, or what a trusted proxy says. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::HeaderMap;
use http::header::HeaderName;
use thiserror::Error;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A block of addresses, `10.0.0.0/8` or `2001:db8::/32`; a bare address is a block of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is not a block of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum CidrError {
    /// What stands before the slash is no IP address.
    #[error("not an IP address")]
    Address,
    /// What stands behind the slash is not 0–32 or 0–128.
    #[error("not a prefix length of that address family")]
    Prefix,
}

impl Cidr {
    /// Whether `ip` lies in the block; an IPv4-mapped address counts as the IPv4 one.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.network, ip.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.prefix);
                let (network, ip) = (network.to_bits(), ip.to_bits());
                network.checked_shr(shift) == ip.checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(self.prefix);
                let (network, ip) = (network.to_bits(), ip.to_bits());
                network.checked_shr(shift) == ip.checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => digits.parse().map_err(|_| CidrError::Prefix)?,
            None => longest,
        };
        if prefix > longest {
            return Err(CidrError::Prefix);
        }
        Ok(Self { network, prefix })
    }
}

/// What to make of `X-Forwarded-For`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum ForwardedFor {
    /// Nothing: the socket's address counts.
    #[default]
    Ignore,
    /// The rightmost hop that is not one of these counts, and only for a peer that is one of these.
    Trust(Vec<Cidr>),
    /// The leftmost entry counts, whoever sent it: spoofable, kept for manifests that ask for it.
    TrustAnyone,
}

/// Whom a rate limit counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ClientKey {
    V4(Ipv4Addr),
    /// A /64: one household or one machine, whose 2^64 addresses are free to use.
    V6([u8; 8]),
    /// What [`ForwardedFor::TrustAnyone`] found and is not an address, cut short: it is remembered for each client.
    Text(Box<str>),
}

impl ClientKey {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(&ip.octets()[..8]);
                Self::V6(prefix)
            }
        }
    }
}

/// The address, or for a /64 its first one.
impl std::fmt::Display for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(ip) => ip.fmt(f),
            Self::V6(prefix) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(prefix);
                write!(f, "{}/64", Ipv6Addr::from(octets))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl ForwardedFor {
    /// The key of a request from `peer`.
    pub(crate) fn key(&self, peer: IpAddr, headers: &HeaderMap) -> ClientKey {
        match self {
            Self::Ignore => ClientKey::of(peer),
            Self::Trust(proxies) => ClientKey::of(walk(peer, headers, proxies)),
            Self::TrustAnyone => leftmost(headers).unwrap_or_else(|| ClientKey::of(peer)),
        }
    }
}

/// From the peer leftwards, past every hop that is trusted to tell the truth about the one before it.
fn walk(peer: IpAddr, headers: &HeaderMap, proxies: &[Cidr]) -> IpAddr {
    let is_trusted = |ip: IpAddr| proxies.iter().any(|block| block.contains(ip));
    let mut client = peer;
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
    let hops = lines
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    for hop in hops {
        if !is_trusted(client) {
            break;
        }
        match address(hop) {
            Some(ip) => client = ip,
            // A trusted hop wrote nonsense: the last address that makes sense counts.
            None => break,
        }
    }
    client
}

fn leftmost(headers: &HeaderMap) -> Option<ClientKey> {
    let line = headers.get(FORWARDED_FOR)?.as_bytes();
    let entry = line.split(|b| *b == b',').next()?.trim_ascii();
    if entry.is_empty() {
        return None;
    }
    Some(match address(entry) {
        Some(ip) => ClientKey::of(ip),
        None => ClientKey::Text(crate::log::clip(entry).into()),
    })
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    text.parse()
        .ok()
        .or_else(|| bracketed.and_then(|(ip, _port)| ip.parse().ok()))
        .or_else(|| {
            text.parse::<std::net::SocketAddr>()
                .ok()
                .map(|addr| addr.ip())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    fn forwarded(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let line = http::HeaderValue::from_str(line).expect("a header value");
            headers.append(FORWARDED_FOR, line);
        }
        headers
    }

    #[test]
    fn blocks_contain_what_they_should() {
        for (block, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "fe80::1", true),
        ] {
            let cidr: Cidr = block.parse().expect("block");
            assert_eq!(cidr.contains(ip(address)), expected, "{block} {address}");
        }
    }

    #[test]
    fn what_is_no_block_is_refused() {
        assert_eq!("localhost/8".parse::<Cidr>(), Err(CidrError::Address));
        assert_eq!("10.0.0.0/33".parse::<Cidr>(), Err(CidrError::Prefix));
        assert_eq!("10.0.0.0/".parse::<Cidr>(), Err(CidrError::Prefix));
        assert_eq!("::/129".parse::<Cidr>(), Err(CidrError::Prefix));
    }

    #[test]
    fn one_household_of_ipv6_is_one_key() {
        let key = |text: &str| ClientKey::of(ip(text));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn trusted_hops_are_walked_from_the_right() {
        let policy = ForwardedFor::Trust(vec!["10.0.0.0/8".parse().expect("block")]);
        for (peer, lines, expected) in [
            ("10.0.0.1", &["6.6.6.6, 192.0.2.1"][..], "192.0.2.1"),
            ("10.0.0.1", &["6.6.6.6, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["6.6.6.6", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["6.6.6.6, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.7"], "10.0.0.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("203.0.113.9", &["192.0.2.1"], "203.0.113.9"),
        ] {
            let key = policy.key(ip(peer), &forwarded(lines));
            assert_eq!(key, ClientKey::of(ip(expected)), "{peer} {lines:?}");
        }
    }

    #[test]
    fn o39_the_old_flag_takes_the_leftmost_entry_from_anyone() {
        let peer = ip("203.0.113.9");
        let key = |lines: &[&str]| ForwardedFor::TrustAnyone.key(peer, &forwarded(lines));
        assert_eq!(key(&["9.9.9.9, 1.1.1.1"]), ClientKey::of(ip("9.9.9.9")));
        assert_eq!(key(&[" , 1.1.1.1"]), ClientKey::of(peer));
        assert_eq!(key(&[]), ClientKey::of(peer));
        assert_eq!(key(&["somebody"]), ClientKey::Text("somebody".into()));
        let ClientKey::Text(long) = key(&[&"x".repeat(8_000)]) else {
            panic!("an address?");
        };
        assert!(long.len() < 300, "{} bytes are remembered", long.len());
        let ignored = ForwardedFor::Ignore.key(peer, &forwarded(&["9.9.9.9"]));
        assert_eq!(ignored, ClientKey::of(peer));
    }
}
