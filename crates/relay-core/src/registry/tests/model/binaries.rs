//! Steps of binaries, of time and of the drain.

use std::collections::HashSet;

use super::super::*;
use super::SERVERS;
use super::wire::Wire;
use super::world::{BinaryModel, GRACE, Slot, Until, World};
use crate::snapshot::Leg;

impl World {
    pub(super) fn claim(&mut self, slot: usize) {
        let claimed = self.relay.try_claim(&slot.to_string());
        match (self.slots[slot], claimed) {
            (_, Err(ClaimError::Draining)) => assert!(self.is_draining),
            (Slot::Held(_), Err(ClaimError::Held(_))) => {}
            (Slot::Absent | Slot::Grace(..), Ok(guard)) => self.seat(slot, guard),
            (_, claimed) => panic!("{claimed:?}"),
        }
    }

    pub(super) fn seat(&mut self, slot: usize, guard: Binary) {
        assert!(!self.is_draining);
        if let Slot::Held(before) | Slot::Grace(before, _) = self.slots[slot] {
            self.evict_phones(before, Close::evicted());
        }
        self.slots[slot] = Slot::Held(self.binaries.len());
        self.binaries.push(BinaryModel {
            guard: Some(guard),
            slot,
            wire: Wire::default(),
            checked: 0,
            noticed: HashSet::new(),
        });
    }

    fn evict_phones(&mut self, binary: usize, close: Close) {
        for phone in &mut self.phones {
            if phone.is_registered && phone.binary == binary {
                phone.is_registered = false;
                phone.wire.close(close);
                self.evicted += 1;
            }
        }
    }

    pub(super) fn binary_leaves(&mut self, binary: usize) {
        let now = self.relay.now;
        self.binaries[binary]
            .guard
            .as_mut()
            .expect("picked")
            .leave(now);
        self.binary_gone(binary, Until::At(now + GRACE));
    }

    pub(super) fn binary_dropped(&mut self, binary: usize) {
        let leg = &mut self.binaries[binary];
        let guard = leg.guard.take().expect("picked");
        leg.wire.torn(guard.outbox(), 0);
        drop(guard);
        self.binary_gone(binary, Until::NextTickPlusGrace);
    }

    fn binary_gone(&mut self, binary: usize, until: Until) {
        let leg = &mut self.binaries[binary];
        leg.wire.retire();
        if let Slot::Held(holder) = self.slots[leg.slot]
            && holder == binary
        {
            let until = if self.is_draining {
                Until::TheEnd
            } else {
                until
            };
            self.slots[leg.slot] = Slot::Grace(binary, until);
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let next = self.relay.pass(time);
        let now = self.relay.now;
        for slot in 0..SERVERS {
            if let Slot::Grace(binary, Until::NextTickPlusGrace) = self.slots[slot] {
                self.slots[slot] = Slot::Grace(binary, Until::At(now + GRACE));
            }
            if let Slot::Grace(binary, Until::At(until)) = self.slots[slot] {
                if until <= now {
                    self.slots[slot] = Slot::Absent;
                    self.expired += 1;
                    self.evict_phones(binary, Close::grace_expired());
                } else {
                    assert!(
                        next.is_some_and(|next| next <= until),
                        "in time for every window"
                    );
                }
            }
        }
    }

    pub(super) fn begin_drain(&mut self) {
        self.relay.registry.begin_drain();
        self.is_draining = true;
        for slot in &mut self.slots {
            if let Slot::Grace(binary, _) = *slot {
                *slot = Slot::Grace(binary, Until::TheEnd);
            }
        }
    }

    pub(super) fn drain_legs(&mut self, chosen: u32) {
        let snapshot = self.relay.registry.snapshot();
        let phones: Vec<_> = snapshot
            .legs()
            .iter()
            .map(|handle| self.phone_of(&handle.0))
            .collect();
        for (n, handle) in snapshot.legs().iter().enumerate() {
            if chosen & (1 << (n % 32)) == 0 {
                continue;
            }
            handle.drain(FLUSH);
            if let Some(phone) = phones[n] {
                self.phones[phone].wire.close(Close::drain(FLUSH));
                continue;
            }
            let Leg::Binary(leg) = &handle.0 else {
                continue;
            };
            let binary = self.holder(&leg.server_id);
            let wire = &mut self.binaries[binary].wire;
            for phone in phones[n + 1..].iter().map_while(|phone| *phone) {
                let phone = &mut self.phones[phone];
                let is_told = phone.binary == binary && phone.owes_notice;
                if is_told && wire.push(notice_of(&phone.conn_id, 1001)) {
                    phone.owes_notice = false;
                }
            }
            wire.close(Close::drain(FLUSH));
        }
    }

    pub(super) fn cut_legs(&mut self, chosen: u32) {
        let snapshot = self.relay.registry.snapshot();
        for (n, handle) in snapshot.legs().iter().enumerate() {
            if chosen & (1 << (n % 32)) == 0 {
                continue;
            }
            handle.cut();
            let wire = match (&handle.0, self.phone_of(&handle.0)) {
                (Leg::Binary(leg), _) => {
                    let holder = self.holder(&leg.server_id);
                    &mut self.binaries[holder].wire
                }
                (Leg::Phone(_), phone) => &mut self.phones[phone.expect("known")].wire,
            };
            wire.is_cut = true;
        }
    }

    fn holder(&self, server_id: &ServerId) -> usize {
        let name = std::str::from_utf8(server_id.as_bytes()).expect("a number");
        match self.slots[name.parse::<usize>().expect("a number")] {
            Slot::Held(binary) => binary,
            Slot::Absent | Slot::Grace(..) => panic!("in a snapshot, but not held"),
        }
    }

    fn phone_of(&self, leg: &Leg) -> Option<usize> {
        match leg {
            Leg::Binary(_) => None,
            Leg::Phone(leg) => {
                let conn_id = leg.conn_id.to_string();
                self.phones
                    .iter()
                    .position(|phone| phone.conn_id == conn_id)
            }
        }
    }
}
