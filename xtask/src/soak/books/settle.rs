//! When everything has been said about a phone, what was said has to fit together; then it is forgotten.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::phone::{Phone, SETTLED_AFTER};
use super::slot::Slot;
use super::{Books, Connection, End, bits};

/// Once nobody stalls any more, nothing is said of a phone so long after its end.
const CALM_AFTER: Duration = Duration::from_secs(5);

impl Books {
    /// Judges and forgets the phones about whom nothing more is going to be said.
    pub(in crate::soak) fn settle(&mut self, now: Duration) -> anyhow::Result<()> {
        self.settle_if(|phone, _, _| phone.is_settled(now))
    }

    /// The same for those whose story is whole already: when nobody is in the way, nobody has to be waited for.
    pub(in crate::soak) fn settle_early(&mut self, now: Duration) -> anyhow::Result<()> {
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
    pub(in crate::soak) fn expect_settled(&self) -> anyhow::Result<()> {
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
