//! What must hold after every step, and in the end.

use super::super::*;
use super::world::{Slot, World};

impl World {
    /// The invariants.
    pub(super) fn check(&mut self) {
        let (binaries, phones) = self.relay.connected();
        let held = |slot: &&Slot| matches!(slot, Slot::Held(_));
        assert_eq!(binaries, self.slots.iter().filter(held).count());
        assert_eq!(phones, self.joined - self.left - self.evicted);

        let mut charged = 0;
        let binaries = self
            .binaries
            .iter()
            .map(|leg| (leg.guard.as_ref().map(Binary::outbox), &leg.wire));
        let phones = self
            .phones
            .iter()
            .map(|leg| (leg.guard.as_ref().map(Phone::outbox), &leg.wire));
        for (outbox, wire) in binaries.chain(phones) {
            if let Some(outbox) = outbox {
                charged += outbox.charged();
                assert_eq!(order(outbox), wire.order);
                assert_eq!(outbox.droppable() > 0, !wire.queued.is_empty(), "{wire:?}");
            }
        }
        assert_eq!(self.relay.registry.stats().queued_bytes, charged);
        for binary in 0..self.binaries.len() {
            self.check_what_was_taken(binary);
        }
    }

    /// At most one notice per conn_id, no frame behind it, and nothing about another binary's phones.
    fn check_what_was_taken(&mut self, number: usize) {
        let binary = &mut self.binaries[number];
        for text in &binary.wire.taken[binary.checked..] {
            let conn_id = text.split('"').nth(3).expect("a conn_id");
            let sender = self.phones.iter().find(|phone| phone.conn_id == conn_id);
            assert_eq!(sender.expect("a phone").binary, number);
            assert!(
                !binary.noticed.contains(conn_id),
                "behind its notice: {text}"
            );
            if text.contains("\"close_code\"") {
                binary.noticed.insert(conn_id.to_owned());
            }
        }
        binary.checked = binary.wire.taken.len();
    }

    /// Everybody leaves, and nothing is left behind.
    pub(super) fn end(mut self) {
        for phone in 0..self.phones.len() {
            if self.phones[phone].guard.is_some() {
                self.phone_dropped(phone);
            }
        }
        self.check();
        for binary in 0..self.binaries.len() {
            if self.binaries[binary].guard.is_some() {
                self.binary_dropped(binary);
            }
        }
        self.check();
        assert_eq!(self.relay.connected(), (0, 0));
        assert_eq!(self.relay.registry.stats().queued_bytes, 0);
    }
}
