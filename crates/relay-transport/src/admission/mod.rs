//! Who may come in: connection slots, with some held back for binaries.

mod slots;

pub(crate) use slots::{Slot, SlotKind, Slots};
