//! The connection cap: one pool for both endpoints, of which phones cannot take the last tenth, and nobody more than
//! a share.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::client_ip::ClientKey;

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
    max_per_client: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    binaries: usize,
    phones: usize,
    by_client: HashMap<ClientKey, usize>,
}

impl Slots {
    /// A tenth, rounded down, is for binaries only: a crowd of phones cannot lock their daemons out.
    pub(crate) fn new(max: usize, max_per_client: usize) -> Self {
        Self {
            max,
            max_phones: max - max / 10,
            max_per_client,
            taken: Mutex::default(),
        }
    }

    /// Takes a slot, given back on drop.
    pub(crate) fn take(self: &Arc<Self>, kind: SlotKind, client: ClientKey) -> Option<Slot> {
        let mut taken = self.taken.lock();
        let of_client = taken.by_client.get(&client).copied().unwrap_or(0);
        if taken.binaries + taken.phones >= self.max || of_client >= self.max_per_client {
            return None;
        }
        match kind {
            SlotKind::Binary => taken.binaries += 1,
            SlotKind::Phone if taken.phones >= self.max_phones => return None,
            SlotKind::Phone => taken.phones += 1,
        }
        taken.by_client.insert(client.clone(), of_client + 1);
        let place = Place {
            slots: Arc::clone(self),
            kind,
            client,
        };
        Some(Slot(Box::new(place)))
    }

    pub(crate) fn in_use(&self) -> usize {
        let taken = self.taken.lock();
        taken.binaries + taken.phones
    }
}

/// One connection's place, from before its headers are looked at until its last byte is handled.
///
/// Boxed, since it is handed through futures that would each have room for a copy.
#[derive(Debug)]
pub(crate) struct Slot(#[expect(dead_code, reason = "held for its drop")] Box<Place>);

#[derive(Debug)]
struct Place {
    slots: Arc<Slots>,
    kind: SlotKind,
    client: ClientKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        match self.kind {
            SlotKind::Binary => taken.binaries -= 1,
            SlotKind::Phone => taken.phones -= 1,
        }
        match taken.by_client.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> ClientKey {
        ClientKey::of([192, 0, 2, last].into())
    }

    #[test]
    fn the_cap_covers_both_endpoints_and_slots_come_back() {
        let slots = Arc::new(Slots::new(2, 2));
        let binary = slots.take(SlotKind::Binary, client(1));
        let phone = slots.take(SlotKind::Phone, client(1));
        assert!(binary.is_some() && phone.is_some());
        assert!(slots.take(SlotKind::Binary, client(1)).is_none());
        assert!(slots.take(SlotKind::Phone, client(1)).is_none());
        drop(phone);
        assert!(slots.take(SlotKind::Phone, client(1)).is_some());
    }

    #[test]
    fn phones_cannot_take_the_last_tenth() {
        let slots = Arc::new(Slots::new(20, 20));
        let phones: Vec<_> = (0..30)
            .filter_map(|_| slots.take(SlotKind::Phone, client(1)))
            .collect();
        assert_eq!(phones.len(), 18);
        let binaries: Vec<_> = (0..30)
            .filter_map(|_| slots.take(SlotKind::Binary, client(1)))
            .collect();
        assert_eq!(binaries.len(), 2);
        assert_eq!(slots.in_use(), 20);
    }

    #[test]
    fn binaries_may_take_what_phones_leave() {
        let slots = Arc::new(Slots::new(20, 20));
        let binaries: Vec<_> = (0..30)
            .filter_map(|_| slots.take(SlotKind::Binary, client(1)))
            .collect();
        assert_eq!(binaries.len(), 20);
        assert!(slots.take(SlotKind::Phone, client(1)).is_none());
    }

    #[test]
    fn one_client_cannot_take_more_than_its_share() {
        let slots = Arc::new(Slots::new(100, 3));
        let take = |last| slots.take(SlotKind::Phone, client(last));
        let mut first: Vec<_> = (0..5).filter_map(|_| take(1)).collect();
        assert_eq!(first.len(), 3);
        assert!(take(2).is_some());
        first.pop();
        assert!(take(1).is_some());
        drop(first);
        assert_eq!(slots.in_use(), 0);
        assert!(slots.taken.lock().by_client.is_empty());
    }
}
