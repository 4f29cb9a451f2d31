//! Counters of the transport as plain numbers: how peers came in, how they went, what went wrong on the way.
//!
//! A count moves after the peer could see what is counted. Who is connected now is the registry's to know.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

mod closes;

pub(crate) use closes::CloseCounters;
pub use closes::{ClosedBy, Closes};

/// What a relay's transport counted since it was made; [`connections`](Self::connections) and
/// [`uptime`](Self::uptime) are of this moment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct TransportStats {
    /// Requests on `/v1/server`, by how they ended.
    pub binary_upgrades: Upgrades,
    /// Requests on `/v1/client`, by how they ended.
    pub phone_upgrades: Upgrades,
    /// How connections of binaries closed, those of refused ones included.
    pub binary_closes: Closes,
    /// How connections of phones closed, those of refused ones included.
    pub phone_closes: Closes,
    /// Conflict probes begun.
    pub probes: u64,
    /// Silent incumbents displaced.
    pub takeovers: u64,
    /// Connections that ended in a PROXY header or in TLS, or took too long there.
    pub handshake_failures: u64,
    /// Upgrades that were answered 101 and never came about.
    pub unfinished_upgrades: u64,
    /// Times that the system had no descriptor or memory for a new connection.
    pub accept_errors: u64,
    /// Connection tasks that ended in a panic.
    pub panics: u64,
    /// Connection slots in use, by members, by refused peers until their close handshake is over, and by claimants.
    pub connections: usize,
    /// Since the relay was made, as `/healthz` tells it.
    pub uptime: Duration,
}

/// Requests on one endpoint, by how they ended. What is not an upgrade at all (405, 426) and what a draining relay
/// turns away is in none of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Upgrades {
    /// Registered; for a binary by claim, reclaim or takeover.
    pub accepted: u64,
    /// 400: a required header was missing.
    pub missing_headers: u64,
    /// Closed with 4409; binaries only.
    pub server_in_use: u64,
    /// Closed with 4404; phones only.
    pub no_server: u64,
    /// Closed with 4429; phones only.
    pub too_many_phones: u64,
    /// 429: over the rate limit.
    pub rate_limited: u64,
    /// 503: no slot free, or none free for that client.
    pub at_capacity: u64,
}

/// The live cells of one endpoint.
#[derive(Default, Debug)]
pub(crate) struct EndpointCounters {
    pub(crate) accepted: Counter,
    pub(crate) missing_headers: Counter,
    pub(crate) server_in_use: Counter,
    pub(crate) no_server: Counter,
    pub(crate) too_many_phones: Counter,
    pub(crate) rate_limited: Counter,
    pub(crate) at_capacity: Counter,
    pub(crate) closes: CloseCounters,
}

/// The live cells behind [`TransportStats`].
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) binary: EndpointCounters,
    pub(crate) phone: EndpointCounters,
    pub(crate) probes: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) handshake_failures: Counter,
    pub(crate) unfinished_upgrades: Counter,
    pub(crate) accept_errors: Counter,
}

/// A number that only grows.
#[derive(Default, Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn step(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl EndpointCounters {
    fn upgrades(&self) -> Upgrades {
        Upgrades {
            accepted: self.accepted.read(),
            missing_headers: self.missing_headers.read(),
            server_in_use: self.server_in_use.read(),
            no_server: self.no_server.read(),
            too_many_phones: self.too_many_phones.read(),
            rate_limited: self.rate_limited.read(),
            at_capacity: self.at_capacity.read(),
        }
    }
}

impl Counters {
    pub(crate) fn read(&self, connections: usize, panics: u64, uptime: Duration) -> TransportStats {
        TransportStats {
            binary_upgrades: self.binary.upgrades(),
            phone_upgrades: self.phone.upgrades(),
            binary_closes: self.binary.closes.read(),
            phone_closes: self.phone.closes.read(),
            probes: self.probes.read(),
            takeovers: self.takeovers.read(),
            handshake_failures: self.handshake_failures.read(),
            unfinished_upgrades: self.unfinished_upgrades.read(),
            accept_errors: self.accept_errors.read(),
            panics,
            connections,
            uptime,
        }
    }
}
