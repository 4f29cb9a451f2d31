//! Names on the wire: server-ids chosen by daemons, conn_ids minted here, and where a peer came from.
//!
//! Knows nothing of headers or sockets.

use std::fmt;
use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;

use crate::random;

/// The name under which a binary serves and phones find it: an opaque byte string, compared exactly.
///
/// By convention a UUIDv4; nothing enforces it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(Arc<[u8]>);

impl ServerId {
    /// Takes the bytes as they came in the header.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Invalid UTF-8 prints as U+FFFD.
impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerId({})", self.0.escape_ascii())
    }
}

/// One phone connection, as its binary sees it: `client-` and 128 random bits in lower-case hex, 39 characters.
///
/// A daemon keeps sessions by conn_id across relay restarts, so an id is never derived from a counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u128);

const CONN_ID_PREFIX: &str = "client-";

impl ConnId {
    /// Mints an id from the operating system's random source.
    ///
    /// # Errors
    /// When the system has no randomness to give, which on Linux means a sandbox without `getrandom(2)`.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        random::fill(&mut bytes)?;
        Ok(Self(u128::from_ne_bytes(bytes)))
    }

    /// Reads an id as it stands in an envelope; `None` for anything this relay cannot have minted.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(CONN_ID_PREFIX)?.as_bytes();
        if hex.len() != 32 {
            return None;
        }
        let mut id = 0;
        for &digit in hex {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            id = (id << 4) | u128::from(value);
        }
        Some(Self(id))
    }
}

/// Where a registry's conn_ids come from.
#[derive(Debug)]
pub(crate) enum Minter {
    /// The operating system.
    System,
    /// A sequence that a simulation can repeat.
    #[cfg(feature = "internals")]
    Seeded(std::sync::atomic::AtomicU64),
}

impl Minter {
    pub(crate) fn mint(&self) -> Result<ConnId, getrandom::Error> {
        match self {
            Self::System => ConnId::random(),
            #[cfg(feature = "internals")]
            Self::Seeded(state) => Ok(ConnId(
                (u128::from(split_mix(state)) << 64) | u128::from(split_mix(state)),
            )),
        }
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[cfg(feature = "internals")]
fn split_mix(state: &std::sync::atomic::AtomicU64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let before = state.fetch_add(STEP, std::sync::atomic::Ordering::Relaxed);
    let mut mixed = before.wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Hashes a [`ConnId`] by taking half of it: its bits are random already, and only ids minted here are ever inserted,
/// so a binary that makes ids up cannot make them collide.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct ConnIdHasher(u64);

impl Hasher for ConnIdHasher {
    fn write(&mut self, _: &[u8]) {
        debug_assert!(false, "a ConnId is one u128");
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CONN_ID_PREFIX}{:032x}", self.0)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({self})")
    }
}

/// The address a peer came from, where it is known: a conflict probe is shorter for a claimant from the
/// incumbent's own address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin(Option<IpAddr>);

impl Origin {
    /// A peer whose address is known; an IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn from_ip(ip: IpAddr) -> Self {
        Self(Some(ip.to_canonical()))
    }

    /// A peer on a transport without addresses.
    pub fn unknown() -> Self {
        Self(None)
    }

    /// The address, if known.
    pub fn ip(self) -> Option<IpAddr> {
        self.0
    }

    /// Whether both are known and equal.
    pub fn is_same_host(self, other: Self) -> bool {
        self.0.is_some() && self.0 == other.0
    }
}

/// The bare address, or `unknown`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ip) => ip.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conn_ids_are_short_and_survive_a_round_trip() {
        let id = ConnId::random().expect("randomness");
        let text = id.to_string();
        assert_eq!(text.len(), 39);
        assert_eq!(ConnId::parse(&text), Some(id));
        assert_ne!(ConnId::random().expect("randomness"), id);
    }

    #[test]
    fn conn_ids_have_one_spelling() {
        let small = ConnId(7).to_string();
        assert_eq!(small, "client-00000000000000000000000000000007");
        for wrong in [
            "",
            "client-",
            "client-7",
            "CLIENT-00000000000000000000000000000007",
            "client-0000000000000000000000000000000A",
            "client-+0000000000000000000000000000007",
            "client-000000000000000000000000000000007",
            "server-00000000000000000000000000000007",
        ] {
            assert_eq!(ConnId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn unknown_origins_are_never_the_same_host() {
        let a = Origin::from_ip([127, 0, 0, 1].into());
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("address");
        assert!(a.is_same_host(Origin::from_ip(mapped)));
        assert!(!Origin::unknown().is_same_host(Origin::unknown()));
        assert!(!a.is_same_host(Origin::from_ip([127, 0, 0, 2].into())));
    }
}
