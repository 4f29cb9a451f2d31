//! Who may come in: the rate limit, then a connection slot. Nothing is queued, and nothing of a request is looked at
//! but where it came from.

mod client_ip;
mod proxy_header;
mod rate_limit;
mod slots;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use parking_lot::Mutex;

use crate::config::Config;

use client_ip::ClientKey;
use rate_limit::{Limited, RateLimiter};
use slots::Slots;

pub use client_ip::{Cidr, CidrError, ForwardedFor};
pub(crate) use proxy_header::read as read_proxy_header;
pub(crate) use slots::{Slot, SlotKind};

/// The door of one relay.
#[derive(Debug)]
pub(crate) struct Admission {
    limiter: Option<Mutex<RateLimiter<ClientKey>>>,
    slots: Arc<Slots>,
    forwarded_for: ForwardedFor,
}

/// Why a request stays outside.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Too many requests from this client.
    RateLimited { client: ClientKey, limited: Limited },
    /// No slot is free for it.
    Full,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Self {
        let limiter = config.rate_limit.as_ref().map(|limit| {
            Mutex::new(RateLimiter::new(
                limit.burst,
                limit.refill,
                limit.max_clients,
            ))
        });
        let slots = Slots::new(config.max_connections, config.max_connections_per_client);
        Self {
            limiter,
            slots: Arc::new(slots),
            forwarded_for: config.forwarded_for.clone(),
        }
    }

    /// Lets one request in, or says why not: first the rate, then the cap.
    pub(crate) fn admit(
        &self,
        kind: SlotKind,
        peer: IpAddr,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<Slot, Refused> {
        let client = self.forwarded_for.key(peer, headers);
        if let Some(limiter) = &self.limiter
            && let Err(limited) = limiter.lock().take(client.clone(), now)
        {
            return Err(Refused::RateLimited { client, limited });
        }
        self.slots.take(kind, client).ok_or(Refused::Full)
    }

    /// Slots taken now.
    pub(crate) fn connections(&self) -> usize {
        self.slots.in_use()
    }
}
