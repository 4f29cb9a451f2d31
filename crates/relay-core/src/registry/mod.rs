//! Who is connected: server-ids, their binaries, their phones, and the one switch that ends it all.
//!
//! Every check-and-set is one step under the map's lock, and no socket is touched under any lock. The map's lock is
//! taken when somebody comes or goes and never for a frame. Locks nest in one order: relief, map, routes, outbox.

mod grace;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use thiserror::Error;

use crate::close::Close;
use crate::id::Minter;
use crate::incumbent::Incumbent;
use crate::leg::{BinaryLeg, Notice, PhoneLeg, Route};
use crate::membership::{Binary, Phone};
use crate::outbox::{Direction, Outbox};
use crate::snapshot::{Leg, LegHandle, Snapshot};
use crate::stats::{Accounts, Counters, Stats};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Notify, RwLock};
use crate::{Budget, Limits, Origin, ServerId, envelope};

use grace::{Expired, GraceWindows};

/// A cheap handle on one relay's membership; clones share it.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

/// Why a server-id could not be claimed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Another binary holds it.
    #[error("server-id is held by another binary")]
    Held(Incumbent),
    /// The relay shuts down.
    #[error("relay is draining")]
    Draining,
}

/// Why a phone could not join.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// No binary holds the server-id.
    #[error("no binary holds the server-id")]
    NoServer,
    /// The server-id has its full number of phones.
    #[error("server-id has its full number of phones")]
    AtCap,
    /// The relay shuts down.
    #[error("relay is draining")]
    Draining,
    /// The system gave no random bytes to name the connection with.
    #[error("no randomness for a conn_id")]
    Randomness(#[source] getrandom::Error),
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    minter: Minter,
    accounts: Arc<Accounts>,
    state: RwLock<State>,
    next_seq: AtomicU64,
    /// Guards alive.
    members: AtomicUsize,
    changed: Notify,
    grace_opened: Notify,
    /// Held by the one who relieves the budget.
    relief: Mutex<()>,
}

#[derive(Debug)]
struct State {
    is_draining: bool,
    /// In an order that is the same in every run; names that peers choose cannot make it slow either.
    entries: BTreeMap<ServerId, Entry>,
    grace: GraceWindows,
}

/// A server-id in use: held, or in grace with the connection that left still naming it.
#[derive(Debug)]
struct Entry {
    binary: Arc<BinaryLeg>,
    is_held: bool,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Self {
        Self::with_minter(limits, Minter::System)
    }

    pub(crate) fn with_minter(limits: Limits, minter: Minter) -> Self {
        let accounts = Arc::new(Accounts {
            budget: Budget::new(limits.queue_memory),
            counters: Counters::default(),
        });
        let state = State {
            is_draining: false,
            entries: BTreeMap::new(),
            grace: GraceWindows::new(limits.grace),
        };
        Self {
            shared: Arc::new(Shared {
                limits,
                minter,
                accounts,
                state: RwLock::new(state),
                next_seq: AtomicU64::new(0),
                members: AtomicUsize::new(0),
                changed: Notify::new(),
                grace_opened: Notify::new(),
                relief: Mutex::new(()),
            }),
        }
    }

    /// Claims a server-id that is free or in grace. A claim during grace evicts the phones that are left.
    ///
    /// # Errors
    /// [`ClaimError::Held`] with the binary to probe, or [`ClaimError::Draining`].
    pub fn claim(&self, id: &ServerId, origin: Origin, now: Instant) -> Result<Binary, ClaimError> {
        self.install(id, origin, None, now)
    }

    /// Takes the server-id from an incumbent that proved dead, closing it with 1011 and its phones with 4404.
    ///
    /// # Errors
    /// [`ClaimError::Held`] when another connection than `incumbent` holds the server-id by now.
    pub fn take_over(
        &self,
        incumbent: &Incumbent,
        origin: Origin,
        now: Instant,
    ) -> Result<Binary, ClaimError> {
        let id = incumbent.leg.server_id.clone();
        self.install(&id, origin, Some(incumbent), now)
    }

    fn install(
        &self,
        id: &ServerId,
        origin: Origin,
        displacing: Option<&Incumbent>,
        _now: Instant,
    ) -> Result<Binary, ClaimError> {
        let shared = &self.shared;
        let (binary, displaced, evicted) = {
            let mut state = shared.state.write();
            if state.is_draining {
                return Err(ClaimError::Draining);
            }
            if let Some(entry) = state.entries.get(id).filter(|entry| entry.is_held)
                && displacing.is_none_or(|incumbent| incumbent.leg.seq != entry.binary.seq)
            {
                let leg = Arc::clone(&entry.binary);
                return Err(ClaimError::Held(Incumbent { leg }));
            }
            let seq = shared.next_seq.fetch_add(1, Ordering::Relaxed);
            let leg = Arc::new(BinaryLeg::new(id.clone(), seq, origin, &shared.accounts));
            let entry = Entry {
                binary: Arc::clone(&leg),
                is_held: true,
            };
            let before = state.entries.insert(id.clone(), entry);
            let evicted = before
                .as_ref()
                .map(|entry| entry.binary.take_phones())
                .unwrap_or_default();
            shared.phones_gone(evicted.len());
            let displaced = before.filter(|entry| entry.is_held);
            if displaced.is_none() {
                shared.counters().binaries.fetch_add(1, Ordering::Relaxed);
            }
            // A member before the lock is released, or a drain could find the registry idle beside it.
            let binary = Binary::new(leg, Arc::clone(shared));
            (binary, displaced, evicted)
        };
        for phone in evicted {
            phone.outbox.close(Close::evicted());
        }
        if let Some(entry) = displaced {
            entry.binary.outbox.close(Close::heartbeat_timeout());
        }
        Ok(binary)
    }

    /// Registers a phone with whoever holds the server-id. A binary in grace counts as present.
    ///
    /// # Errors
    /// [`JoinError`], checked in the order draining, no server, at cap.
    pub fn join(&self, id: &ServerId, _now: Instant) -> Result<Phone, JoinError> {
        let shared = &self.shared;
        let state = shared.state.read();
        if state.is_draining {
            return Err(JoinError::Draining);
        }
        let binary = &state.entries.get(id).ok_or(JoinError::NoServer)?.binary;
        let mut routes = binary.routes.lock();
        if routes.len() >= shared.limits.max_phones_per_server {
            return Err(JoinError::AtCap);
        }
        let conn_id = loop {
            let minted = shared.minter.mint().map_err(JoinError::Randomness)?;
            if !routes.contains_key(&minted) {
                break minted;
            }
        };
        let phone = Arc::new(PhoneLeg {
            conn_id,
            outbox: Outbox::new(Arc::clone(&shared.accounts), Direction::ToPhone),
            binary: Arc::clone(binary),
            prefix: envelope::frame_prefix(&conn_id.to_string()),
        });
        let route = Route {
            phone: Arc::clone(&phone),
            notice: Notice::Due,
        };
        routes.insert(conn_id, route);
        shared.counters().phones.fetch_add(1, Ordering::Relaxed);
        Ok(Phone::new(phone, Arc::clone(shared)))
    }

    /// Ends the grace windows that have run out by `now` and says when to come back.
    pub fn tick(&self, now: Instant) -> Option<Instant> {
        let shared = &self.shared;
        let mut abandoned = Vec::new();
        let next = {
            let mut guard = shared.state.write();
            let state = &mut *guard;
            for Expired { server_id, seq } in state.grace.due(now) {
                let is_current = state
                    .entries
                    .get(&server_id)
                    .is_some_and(|entry| !entry.is_held && entry.binary.seq == seq);
                if is_current && let Some(entry) = state.entries.remove(&server_id) {
                    let phones = entry.binary.take_phones();
                    shared.phones_gone(phones.len());
                    abandoned.extend(phones);
                    let expiries = &shared.counters().grace_expiries;
                    expiries.fetch_add(1, Ordering::Relaxed);
                }
            }
            state.grace.next()
        };
        for phone in abandoned {
            phone.outbox.close(Close::grace_expired());
        }
        next
    }

    /// Resolves when a grace window was opened since the last call: the time for the next [`Registry::tick`] may
    /// have moved closer.
    ///
    /// # Cancel safety
    /// A wake-up that was not consumed stays for the next call.
    pub async fn grace_opened(&self) {
        self.shared.grace_opened.notified().await;
    }

    /// Turns to draining, for good: every claim and join from now on is refused. Idempotent.
    pub fn begin_drain(&self) {
        {
            let mut state = self.shared.state.write();
            state.is_draining = true;
            state.grace.clear();
        }
        self.shared.changed.notify_waiters();
    }

    /// Whether a drain has begun.
    pub fn is_draining(&self) -> bool {
        self.shared.is_draining()
    }

    /// Resolves once a drain has begun.
    ///
    /// # Cancel safety
    /// Level-triggered.
    pub async fn draining(&self) {
        self.shared.wait_until(Shared::is_draining).await;
    }

    /// Resolves when the registry is draining and its last member has left.
    ///
    /// # Cancel safety
    /// Level-triggered.
    pub async fn idle(&self) {
        self.shared
            .wait_until(|shared| {
                shared.is_draining() && shared.members.load(Ordering::Acquire) == 0
            })
            .await;
    }

    /// Every live leg, binaries and phones, freshly collected, with the lock already released.
    ///
    /// A leg that comes or goes meanwhile may be in it or not; after [`Registry::begin_drain`] none comes.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.shared.state.read();
        let mut snapshot = Snapshot {
            is_draining: state.is_draining,
            ..Snapshot::default()
        };
        for entry in state.entries.values() {
            if entry.is_held {
                snapshot.binaries += 1;
                let leg = Leg::Binary(Arc::clone(&entry.binary));
                snapshot.legs.push(LegHandle(leg));
            }
            let routes = entry.binary.routes.lock();
            let phones = routes.values().map(|route| Arc::clone(&route.phone));
            snapshot
                .legs
                .extend(phones.map(|phone| LegHandle(Leg::Phone(phone))));
        }
        snapshot
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        self.shared.accounts.read()
    }

    /// The bounds this registry was made with.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }
}

#[cfg(test)]
mod tests;
