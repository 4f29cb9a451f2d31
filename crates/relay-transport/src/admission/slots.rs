//! The connection cap: one pool for both endpoints, of which phones cannot take the last tenth.

use std::sync::Arc;

use parking_lot::Mutex;

/// Whose slot it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SlotKind {
    Binary,
    Phone,
}

/// The pool. A slot is never waited for.
#[derive(Debug)]
pub(crate) struct Slots {
    max: usize,
    max_phones: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    binaries: usize,
    phones: usize,
}

impl Slots {
    /// A tenth, rounded down, is for binaries only: a crowd of phones cannot lock their daemons out.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            max_phones: max - max / 10,
            taken: Mutex::default(),
        }
    }

    /// Takes a slot, given back on drop.
    pub(crate) fn take(self: &Arc<Self>, kind: SlotKind) -> Option<Slot> {
        let mut taken = self.taken.lock();
        if taken.binaries + taken.phones >= self.max {
            return None;
        }
        match kind {
            SlotKind::Binary => taken.binaries += 1,
            SlotKind::Phone if taken.phones >= self.max_phones => return None,
            SlotKind::Phone => taken.phones += 1,
        }
        Some(Slot {
            slots: Arc::clone(self),
            kind,
        })
    }

    #[cfg(test)]
    pub(crate) fn in_use(&self) -> usize {
        let taken = self.taken.lock();
        taken.binaries + taken.phones
    }
}

/// One connection's place, from before its headers are looked at until its last byte is handled.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    kind: SlotKind,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        match self.kind {
            SlotKind::Binary => taken.binaries -= 1,
            SlotKind::Phone => taken.phones -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_covers_both_endpoints_and_slots_come_back() {
        let slots = Arc::new(Slots::new(2));
        let binary = slots.take(SlotKind::Binary);
        let phone = slots.take(SlotKind::Phone);
        assert!(binary.is_some() && phone.is_some());
        assert!(slots.take(SlotKind::Binary).is_none());
        assert!(slots.take(SlotKind::Phone).is_none());
        drop(phone);
        assert!(slots.take(SlotKind::Phone).is_some());
    }

    #[test]
    fn phones_cannot_take_the_last_tenth() {
        let slots = Arc::new(Slots::new(20));
        let phones: Vec<_> = (0..30)
            .filter_map(|_| slots.take(SlotKind::Phone))
            .collect();
        assert_eq!(phones.len(), 18);
        let binaries: Vec<_> = (0..30)
            .filter_map(|_| slots.take(SlotKind::Binary))
            .collect();
        assert_eq!(binaries.len(), 2);
        assert_eq!(slots.in_use(), 20);
    }

    #[test]
    fn binaries_may_take_what_phones_leave() {
        let slots = Arc::new(Slots::new(20));
        let binaries: Vec<_> = (0..30)
            .filter_map(|_| slots.take(SlotKind::Binary))
            .collect();
        assert_eq!(binaries.len(), 20);
        assert!(slots.take(SlotKind::Phone).is_none());
    }
}
