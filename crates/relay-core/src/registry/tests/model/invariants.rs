//! What must hold after every step, and in the end.

use std::collections::HashSet;
use std::task::Context;

use super::super::*;
use super::world::{HIGH_WATER, Slot, World};
use crate::snapshot::Leg;

impl World {
    /// The invariants.
    pub(super) fn check(&mut self) {
        self.check_membership();
        self.check_outboxes();
        self.check_room();
        self.check_probes();
        for binary in 0..self.binaries.len() {
            self.check_what_was_taken(binary);
        }
    }

    fn check_membership(&self) {
        let (binaries, phones) = self.relay.connected();
        let held = |slot: &&Slot| matches!(slot, Slot::Held(_));
        assert_eq!(binaries, self.slots.iter().filter(held).count());
        assert_eq!(phones, self.joined - self.left - self.evicted);

        let snapshot = self.relay.registry.snapshot();
        let seen: HashSet<_> = snapshot
            .legs()
            .iter()
            .filter_map(|handle| match &handle.0 {
                Leg::Phone(leg) => Some(leg.conn_id.to_string()),
                Leg::Binary(_) => None,
            })
            .collect();
        let registered = self.phones.iter().filter(|phone| phone.is_registered);
        assert_eq!(
            seen,
            registered.map(|phone| phone.conn_id.clone()).collect()
        );

        let is_empty = self.binaries.iter().all(|leg| leg.guard.is_none())
            && self.phones.iter().all(|leg| leg.guard.is_none());
        let cx = &mut Context::from_waker(Waker::noop());
        let idle = std::pin::pin!(self.relay.registry.idle()).poll(cx);
        assert_eq!(idle.is_ready(), self.is_draining && is_empty);

        let stats = self.relay.registry.stats();
        assert_eq!(stats.grace_expiries, self.expired);
        assert_eq!(stats.backlog_evictions, self.relieved);
    }

    /// Each has the orders it was given, and together they pin what the budget says.
    fn check_outboxes(&mut self) {
        let mut charged = 0;
        let binaries = self
            .binaries
            .iter_mut()
            .map(|leg| (leg.guard.as_ref().map(Binary::outbox), &mut leg.wire));
        let phones = self
            .phones
            .iter_mut()
            .map(|leg| (leg.guard.as_ref().map(Phone::outbox), &mut leg.wire));
        for (outbox, wire) in binaries.chain(phones) {
            if let Some(outbox) = outbox {
                charged += outbox.charged();
                let work = outbox.take(Waker::noop(), false);
                assert_eq!(work.close, wire.order);
                assert_eq!(work.cut, wire.is_cut);
                assert_eq!(work.ping, std::mem::take(&mut wire.wants_ping));
                assert_eq!(outbox.droppable() > 0, !wire.queued.is_empty(), "{wire:?}");
            }
        }
        assert_eq!(self.relay.registry.stats().queued_bytes, charged);
    }

    /// A phone waits as long as its binary has too much to read, and will read.
    fn check_room(&self) {
        let cx = &mut Context::from_waker(Waker::noop());
        for phone in &self.phones {
            let Some(guard) = &phone.guard else { continue };
            let binary = &self.binaries[phone.binary];
            let is_full = binary.wire.is_open()
                && binary
                    .guard
                    .as_ref()
                    .is_some_and(|guard| guard.outbox().charged() >= HIGH_WATER);
            assert_eq!(guard.poll_room(cx).is_pending(), is_full);
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
