//! The books of a soak: who came, what each side said about it, and whether all of that fits together.
//!
//! Pure: peers and the log reader write into it under one lock, with the time as an argument.
//! What is settled is judged and forgotten, so that a long run needs no more memory than a short one.

mod judge;
mod phone;
mod settle;
mod slot;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

pub(super) use judge::Provocation;
pub(super) use phone::{Directive, End, NO_STATUS};
pub(super) use slot::GRACE;
pub(super) use totals::Totals;

use phone::{Ended, Notice, Phone, SETTLED_AFTER};
use slot::Slot;

/// A conn_id, as it is heard of.
#[derive(Debug, Default)]
struct Connection {
    phone: Option<u64>,
    /// The daemon that heard a frame of it.
    life: Option<u64>,
    notice: Option<Notice>,
    is_registered: bool,
    is_unregistered: bool,
}

/// Everything that is not settled yet.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) totals: Totals,
    slots: Vec<Slot>,
    phones: HashMap<u64, Phone>,
    connections: HashMap<String, Connection>,
    /// The bits of the conn_ids that were settled.
    settled: HashSet<u128>,
    next_id: u64,
}

impl Books {
    /// Books for server-ids `0..servers`.
    pub(super) fn of(servers: usize) -> Self {
        Self {
            slots: (0..servers).map(|_| Slot::default()).collect(),
            ..Self::default()
        }
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A daemon dials; returns its number.
    pub(super) fn claim_begun(&mut self, server: usize, now: Duration) -> u64 {
        let id = self.next_id();
        self.slots[server].claim_begun(id, now);
        id
    }

    /// A daemon has proof that it holds its server-id.
    pub(super) fn claim_settled(&mut self, server: usize, life: u64, now: Duration) {
        self.slots[server].claim_settled(life, now);
    }

    /// A daemon was refused, and never was anything to any phone.
    pub(super) fn claim_refused(&mut self, server: usize, life: u64) {
        self.totals.claims_refused += 1;
        self.slots[server].claim_refused(life);
    }

    /// A daemon is about to leave, or to be displaced.
    pub(super) fn leaving(&mut self, server: usize, life: u64, now: Duration) {
        self.slots[server].leaving(life, now);
    }

    /// A phone dials; returns its number.
    pub(super) fn dialled(&mut self, server: usize, now: Duration) -> u64 {
        let id = self.next_id();
        self.totals.phones_dialled += 1;
        let phone = Phone {
            server,
            dialled_at: now,
            conn_id: None,
            directive: None,
            ended: None,
        };
        self.phones.insert(id, phone);
        id
    }

    /// A daemon hears the first frame of a conn_id, which says whose it is.
    pub(super) fn introduced(
        &mut self,
        server: usize,
        life: u64,
        conn_id: &str,
        phone: u64,
    ) -> anyhow::Result<()> {
        ensure!(
            !self.is_settled(conn_id),
            "a frame {SETTLED_AFTER:?} after the end of its phone"
        );
        self.bind(conn_id, phone)?;
        let known = self.phones.get(&phone).context("bound to it")?;
        ensure!(
            known.server == server,
            "phone {phone} is at server-{}, and its frame came to server-{server}",
            known.server
        );
        let connection = self.connections.entry(conn_id.to_owned()).or_default();
        ensure!(
            connection.notice.is_none(),
            "a frame after the notice: {connection:?}"
        );
        ensure!(
            connection.life.is_none(),
            "a second daemon hears of it: {connection:?}"
        );
        connection.life = Some(life);
        Ok(())
    }

    /// Log line or first frame: this conn_id is that phone's.
    fn bind(&mut self, conn_id: &str, phone: u64) -> anyhow::Result<()> {
        let known = self.phones.get_mut(&phone);
        let known = known.with_context(|| format!("{conn_id} says it is phone {phone}"))?;
        match &known.conn_id {
            None => known.conn_id = Some(conn_id.to_owned()),
            Some(other) => ensure!(
                other == conn_id,
                "phone {phone} is {other} and {conn_id} too"
            ),
        }
        let connection = self.connections.entry(conn_id.to_owned()).or_default();
        let owner = *connection.phone.get_or_insert(phone);
        ensure!(
            owner == phone,
            "{conn_id} is phone {owner} and phone {phone}"
        );
        Ok(())
    }

    /// A daemon is about to send a directive.
    pub(super) fn directed(&mut self, phone: u64, directive: Directive) {
        self.totals.directives += 1;
        if let Some(phone) = self.phones.get_mut(&phone) {
            phone.directive.get_or_insert(directive);
        }
    }

    /// A daemon reads a notice; `received` are the frames it had from that phone.
    pub(super) fn noticed(
        &mut self,
        life: u64,
        conn_id: &str,
        code: u16,
        received: u64,
    ) -> anyhow::Result<()> {
        self.totals.notices += 1;
        ensure!(
            !self.is_settled(conn_id),
            "a second notice, or one later than {SETTLED_AFTER:?}"
        );
        let connection = self.connections.entry(conn_id.to_owned()).or_default();
        if let Some(first) = connection.notice {
            bail!("a second notice, with {code}; the first was {first:?}");
        }
        connection.notice = Some(Notice {
            life,
            code,
            received,
        });
        Ok(())
    }

    /// The relay logged that a phone registered.
    pub(super) fn registered(&mut self, conn_id: &str, phone: u64) -> anyhow::Result<()> {
        self.totals.phones_registered += 1;
        ensure!(!self.is_settled(conn_id), "logged twice");
        self.bind(conn_id, phone)?;
        let connection = self.connections.entry(conn_id.to_owned()).or_default();
        ensure!(!connection.is_registered, "logged twice");
        connection.is_registered = true;
        Ok(())
    }

    /// The relay logged that a phone's leg ended.
    pub(super) fn unregistered(&mut self, conn_id: &str) -> anyhow::Result<()> {
        ensure!(!self.is_settled(conn_id), "logged twice");
        let connection = self.connections.entry(conn_id.to_owned()).or_default();
        ensure!(
            !connection.is_unregistered,
            "`phone_unregistered` was logged twice"
        );
        connection.is_unregistered = true;
        Ok(())
    }

    /// How many phones the relay can possibly know of.
    pub(super) fn most_phones(&self) -> usize {
        self.phones.len()
    }

    /// A phone is over.
    pub(super) fn ended(&mut self, phone: u64, how: End, sent: u64, now: Duration) {
        let totals = &mut self.totals;
        totals.phones_ended += 1;
        totals.frames_sent_by_phones += sent;
        match how {
            End::Refused => totals.phones_refused += 1,
            End::Evicted => totals.phones_evicted += 1,
            End::ClosedAndGone(_) | End::Dropped => totals.phones_dropped += 1,
            End::Offended => totals.phones_offended += 1,
            End::Closed(_) => {}
        }
        if let Some(phone) = self.phones.get_mut(&phone) {
            phone.ended = Some(Ended { how, sent, at: now });
        }
    }

    fn is_settled(&self, conn_id: &str) -> bool {
        bits(conn_id).is_ok_and(|bits| self.settled.contains(&bits))
    }
}

/// The 128 bits of a conn_id.
fn bits(conn_id: &str) -> anyhow::Result<u128> {
    let digits = conn_id.strip_prefix("client-").unwrap_or_default();
    u128::from_str_radix(digits, 16).with_context(|| format!("not a conn_id: {conn_id}"))
}
