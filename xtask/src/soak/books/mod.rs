//! The books of a soak: who came, what each side said about it, and whether all of that fits together.
//!
//! Pure: peers and the log reader write into it under one lock, with the time as an argument.
//! What is settled is judged and forgotten, so that a long run needs no more memory than a short one.

mod phone;
mod slot;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

pub(super) use phone::{Directive, End, NO_STATUS};
pub(super) use slot::GRACE;
pub(super) use totals::Totals;

use phone::{Ended, Notice, Phone, SETTLED_AFTER};
use slot::Slot;

/// Phones per server-id, as docs/PROTOCOL.md says.
const PHONES_PER_SERVER: usize = 16;

/// Once nobody stalls any more, nothing is said of a phone so long after its end.
const CALM_AFTER: Duration = Duration::from_secs(5);

/// What a phone did that the relay may close it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provocation {
    Nothing,
    /// A close with this status.
    Close(u16),
    NotJson,
    /// Something that RFC 6455 forbids, with the status it forbids it with.
    Offence(u16),
}

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

    /// Whether the relay may close this phone so, now that it has had `received` frames.
    pub(super) fn judge_close(
        &self,
        phone: u64,
        provocation: Provocation,
        (code, reason): (u16, &str),
        received: u64,
        now: Duration,
    ) -> anyhow::Result<End> {
        let entry = self.phones.get(&phone).context("it never dialled")?;
        let slot = &self.slots[entry.server];
        let from = entry.dialled_at;
        match provocation {
            Provocation::Close(sent) if sent == code && reason.is_empty() => {
                return Ok(End::Closed(code));
            }
            Provocation::NotJson if code == 1000 && reason.is_empty() => return Ok(End::Offended),
            Provocation::Offence(expected) if expected == code => return Ok(End::Offended),
            Provocation::Close(_)
            | Provocation::NotJson
            | Provocation::Offence(_)
            | Provocation::Nothing => {}
        }
        let directive = entry
            .directive
            .filter(|directive| directive.closes_with(code, reason));
        // An offence of its own and the end of its daemon make the relay drop what it had queued, and leave the close
        // as it was.
        let may_be_cut_short = provocation != Provocation::Nothing
            || slot.may_be_claimed(from, now)
            || slot.may_be_left(from, now);
        let is_directed = directive.is_some_and(|directive| {
            received == directive.frames || (may_be_cut_short && received < directive.frames)
        });
        if is_directed {
            return Ok(End::Evicted);
        }
        let (is_allowed, how) = match (code, reason) {
            (4404, "no server with that id") => (!slot.reserved(from, now), End::Refused),
            (4429, "too many phones for server-id") => {
                (self.may_be_full(entry.server, now), End::Refused)
            }
            (4404, "binary reclaimed server-id") => (slot.may_be_claimed(from, now), End::Evicted),
            (1000, "") => (slot.may_be_left(from, now), End::Evicted),
            _ => (false, End::Evicted),
        };
        ensure!(
            is_allowed,
            "closed with {code} `{reason}` and {received} frames for no reason, {:?} after its dial; \
             {provocation:?}, {directive:?}, {entry:?}, {slot:?}",
            now.saturating_sub(from)
        );
        Ok(how)
    }

    /// Whether a phone that read nothing for a while may have been cut without a close frame: a close that it did not
    /// take in time.
    pub(super) fn may_be_cut(&self, phone: u64, now: Duration) -> bool {
        self.phones.get(&phone).is_some_and(|phone| {
            let slot = &self.slots[phone.server];
            phone.directive.is_some()
                || slot.may_be_claimed(phone.dialled_at, now)
                || slot.may_be_left(phone.dialled_at, now)
        })
    }

    /// Phones that the relay may still count: all that dialled and did not end a good while ago.
    fn may_be_full(&self, server: usize, now: Duration) -> bool {
        let counted = self
            .phones
            .values()
            .filter(|phone| phone.server == server && !phone.is_settled(now));
        counted.count() > PHONES_PER_SERVER
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

    /// Judges and forgets the phones about whom nothing more is going to be said.
    pub(super) fn settle(&mut self, now: Duration) -> anyhow::Result<()> {
        self.settle_if(|phone, _, _| phone.is_settled(now))
    }

    /// The same for those whose story is whole already: when nobody is in the way, nobody has to be waited for.
    pub(super) fn settle_early(&mut self, now: Duration) -> anyhow::Result<()> {
        self.settle_if(|phone, connection, slot| {
            phone.is_settled(now) || is_whole(phone, connection, slot, now)
        })
    }

    fn settle_if(
        &mut self,
        is_due: impl Fn(&Phone, Option<&Connection>, &Slot) -> bool,
    ) -> anyhow::Result<()> {
        let connection_of = |phone: &Phone| self.connections.get(phone.conn_id.as_ref()?);
        let due: Vec<u64> = self
            .phones
            .iter()
            .filter(|(_, phone)| is_due(phone, connection_of(phone), &self.slots[phone.server]))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(phone) = self.phones.remove(&id) else {
                continue;
            };
            let connection = phone
                .conn_id
                .as_ref()
                .and_then(|conn_id| self.connections.remove(conn_id));
            if let Some(conn_id) = &phone.conn_id {
                self.settled.insert(bits(conn_id)?);
            }
            let says = || format!("phone {id}: {phone:?}, {connection:?}");
            if let Some(connection) = &connection {
                ensure!(
                    connection.is_registered,
                    "never logged as registered: {}",
                    says()
                );
                ensure!(
                    connection.is_unregistered,
                    "still registered {SETTLED_AFTER:?} after its end: {}",
                    says()
                );
            }
            let notice = connection.as_ref().and_then(|connection| connection.notice);
            phone
                .reconcile(&self.slots[phone.server], notice)
                .with_context(says)?;
        }
        Ok(())
    }

    /// Nobody is left of whom not everything was said.
    pub(super) fn expect_settled(&self) -> anyhow::Result<()> {
        if let Some((id, phone)) = self.phones.iter().next() {
            bail!(
                "{} phones are not settled, one of them is {id}: {phone:?}, {:?}",
                self.phones.len(),
                phone
                    .conn_id
                    .as_ref()
                    .map(|conn_id| self.connections.get(conn_id))
            );
        }
        ensure!(
            self.connections.is_empty(),
            "conn_ids of no phone: {:?}",
            self.connections
        );
        Ok(())
    }

    fn is_settled(&self, conn_id: &str) -> bool {
        bits(conn_id).is_ok_and(|bits| self.settled.contains(&bits))
    }
}

/// Whether a phone has ended and everything that can be said about it has been.
fn is_whole(phone: &Phone, connection: Option<&Connection>, slot: &Slot, now: Duration) -> bool {
    let Some(ended) = phone.ended else {
        return false;
    };
    let is_calm = ended.at + CALM_AFTER <= now;
    match connection {
        None => ended.how == End::Refused || is_calm,
        Some(connection) => {
            let is_noticed =
                connection.notice.is_some() || (is_calm && phone.notice_owed_by(slot).is_none());
            connection.is_registered && connection.is_unregistered && is_noticed
        }
    }
}

impl Directive {
    /// Whether this is how it looks to its phone.
    fn closes_with(self, code: u16, reason: &str) -> bool {
        let is_sendable = matches!(self.code, 1000..=1003 | 1005 | 1007..=1014 | 3000..=4999);
        if is_sendable {
            (code, reason) == (self.code, "")
        } else {
            (code, reason) == (1011, "invalid close code")
        }
    }
}

/// The 128 bits of a conn_id.
fn bits(conn_id: &str) -> anyhow::Result<u128> {
    let digits = conn_id.strip_prefix("client-").unwrap_or_default();
    u128::from_str_radix(digits, 16).with_context(|| format!("not a conn_id: {conn_id}"))
}
