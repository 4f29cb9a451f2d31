//! What guards and clones of a registry share: the account of members, the release of a server-id, and relief when
//! the process budget is full.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Shared;
use crate::close::Close;
use crate::leg::{BinaryLeg, PhoneLeg};
use crate::stats::Counters;

impl Shared {
    pub(crate) fn counters(&self) -> &Counters {
        &self.accounts.counters
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.state.read().is_draining
    }

    pub(crate) fn enter(&self) {
        self.members.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn exit(&self, closed_cleanly: bool) {
        if self.is_draining() {
            self.counters().drain_ended(closed_cleanly);
        }
        if self.members.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn phone_gone(&self) {
        self.phones_gone(1);
    }

    pub(super) fn phones_gone(&self, phones: usize) {
        self.counters().phones.fetch_sub(phones, Ordering::Relaxed);
    }

    /// Puts the server-id into grace, if this very connection still holds it.
    pub(crate) fn release(&self, leg: &BinaryLeg, now: Option<Instant>) {
        let mut guard = self.state.write();
        let state = &mut *guard;
        let held = state
            .entries
            .get_mut(&leg.server_id)
            .filter(|entry| entry.is_held && entry.binary.seq == leg.seq);
        let Some(entry) = held else { return };
        entry.is_held = false;
        self.counters().binaries.fetch_sub(1, Ordering::Relaxed);
        if !state.is_draining {
            state.grace.open(leg.server_id.clone(), leg.seq, now);
            self.grace_opened.notify_one();
        }
    }

    /// While the process budget is exceeded, closes the phone with the largest backlog. Called with no lock held.
    pub(crate) fn relieve(&self) {
        if !self.accounts.budget.is_over() {
            return;
        }
        // One at a time, or two who see the same excess close two phones for it.
        let _turn = self.relief.lock();
        while self.accounts.budget.is_over() {
            let Some(victim) = self.largest_backlog() else {
                return;
            };
            // It may have left since it was chosen, or taken its queue to write it.
            if victim.outbox.evict(Close::backlog_full(None)) {
                let evictions = &self.counters().backlog_evictions;
                evictions.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn largest_backlog(&self) -> Option<Arc<PhoneLeg>> {
        let state = self.state.read();
        let mut largest: Option<(usize, Arc<PhoneLeg>)> = None;
        for entry in state.entries.values() {
            for route in entry.binary.routes.lock().values() {
                let bytes = route.phone.outbox.droppable();
                if bytes > largest.as_ref().map_or(0, |(most, _)| *most) {
                    largest = Some((bytes, Arc::clone(&route.phone)));
                }
            }
        }
        largest.map(|(_, phone)| phone)
    }

    pub(super) async fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so(self) {
                return;
            }
            changed.await;
        }
    }
}
