//! The model and the registry it follows, step by step.

use std::collections::HashSet;

use super::super::*;
use super::probes::Probe;
use super::wire::Wire;
use super::{Op, SERVERS, Side};

pub(super) const GRACE: Duration = Duration::from_secs(30);
pub(super) const MAX_PHONES: usize = 4;
pub(super) const MAX_BACKLOG: usize = 120_000;
pub(super) const QUEUE_MEMORY: usize = 250_000;
pub(super) const HIGH_WATER: usize = 20_000;

pub(super) struct World {
    pub(super) relay: Relay,
    pub(super) slots: [Slot; SERVERS],
    pub(super) binaries: Vec<BinaryModel>,
    pub(super) phones: Vec<PhoneModel>,
    pub(super) probes: Vec<Probe>,
    pub(super) is_draining: bool,
    pub(super) joined: usize,
    pub(super) left: usize,
    pub(super) evicted: usize,
    /// Server-ids given up at the end of their grace.
    pub(super) expired: u64,
    /// Phones closed for the budget.
    pub(super) relieved: u64,
    pub(super) frames: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Slot {
    Absent,
    Held(usize),
    Grace(usize, Until),
}

#[derive(Clone, Copy)]
pub(super) enum Until {
    At(Instant),
    NextTickPlusGrace,
    TheEnd,
}

pub(super) struct BinaryModel {
    pub(super) guard: Option<Binary>,
    pub(super) slot: usize,
    pub(super) wire: Wire,
    /// How much of what it took has been checked, and whose notices were in it.
    pub(super) checked: usize,
    pub(super) noticed: HashSet<String>,
}

pub(super) struct PhoneModel {
    pub(super) guard: Option<Phone>,
    pub(super) conn_id: String,
    pub(super) binary: usize,
    pub(super) is_registered: bool,
    pub(super) owes_notice: bool,
    pub(super) wire: Wire,
}

impl World {
    pub(super) fn new() -> Self {
        let limits = Limits::default()
            .grace(GRACE)
            .max_phones_per_server(MAX_PHONES)
            .max_phone_backlog(MAX_BACKLOG)
            .binary_high_water(HIGH_WATER)
            .queue_memory(QUEUE_MEMORY);
        Self {
            relay: Relay::with(limits),
            slots: [Slot::Absent; SERVERS],
            binaries: Vec::new(),
            phones: Vec::new(),
            probes: Vec::new(),
            is_draining: false,
            joined: 0,
            left: 0,
            evicted: 0,
            expired: 0,
            relieved: 0,
            frames: 0,
        }
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match *op {
            Op::Claim(slot) => self.claim(slot),
            Op::Probe(slot) => self.probe(slot),
            Op::Heard(binary) => {
                if let Some(binary) = self.pick_binary(binary) {
                    self.heard(binary);
                }
            }
            Op::TakeOver(index) => self.take_over(index),
            Op::Join(slot) => self.join(slot),
            Op::Forward(phone, len) => {
                if let Some(phone) = self.pick_phone(phone) {
                    self.forward(phone, len);
                }
            }
            Op::Deliver {
                stranger,
                phone,
                frame,
                close_code,
            } => {
                if let Some(phone) = self.pick_phone(phone)
                    && let Some(binary) = self.pick_sender(stranger, phone)
                {
                    self.deliver(binary, phone, frame, close_code);
                }
            }
            Op::PhoneLeaves(phone, code) => {
                if let Some(phone) = self.pick_phone(phone) {
                    self.phone_leaves(phone, code);
                }
            }
            Op::PhoneDropped(phone) => {
                if let Some(phone) = self.pick_phone(phone) {
                    self.phone_dropped(phone);
                }
            }
            Op::BinaryLeaves(binary) => {
                if let Some(binary) = self.pick_binary(binary) {
                    self.binary_leaves(binary);
                }
            }
            Op::BinaryDropped(binary) => {
                if let Some(binary) = self.pick_binary(binary) {
                    self.binary_dropped(binary);
                }
            }
            Op::Take(side, leg) => self.on_wire(side, leg, Wire::take),
            Op::Written(side, leg) => self.on_wire(side, leg, Wire::written),
            Op::Torn(side, leg, at) => self.on_wire(side, leg, |wire, outbox| {
                wire.torn(outbox, at);
            }),
            Op::FlushTimeOver(side, leg) => self.on_wire(side, leg, |wire, outbox| {
                outbox.drop_queued();
                wire.queued.clear();
            }),
            Op::Close(side, leg, close) => self.on_wire(side, leg, |wire, outbox| {
                outbox.close(close);
                wire.close(close);
            }),
            Op::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Op::BeginDrain => self.begin_drain(),
            Op::DrainLegs(chosen) => self.drain_legs(chosen),
            Op::CutLegs(chosen) => self.cut_legs(chosen),
        }
    }

    fn pick_binary(&self, index: usize) -> Option<usize> {
        let alive = |n: &usize| self.binaries[*n].guard.is_some();
        pick((0..self.binaries.len()).filter(alive).collect(), index)
    }

    fn pick_sender(&self, stranger: Option<usize>, phone: usize) -> Option<usize> {
        match stranger {
            Some(index) => self.pick_binary(index),
            None => {
                let own = self.phones[phone].binary;
                self.binaries[own].guard.is_some().then_some(own)
            }
        }
    }

    fn pick_phone(&self, index: usize) -> Option<usize> {
        let alive = |n: &usize| self.phones[*n].guard.is_some();
        pick((0..self.phones.len()).filter(alive).collect(), index)
    }

    fn on_wire(&mut self, side: Side, index: usize, act: impl FnOnce(&mut Wire, &Outbox)) {
        match side {
            Side::Binary => {
                if let Some(binary) = self.pick_binary(index).map(|n| &mut self.binaries[n]) {
                    act(
                        &mut binary.wire,
                        binary.guard.as_ref().expect("picked").outbox(),
                    );
                }
            }
            Side::Phone => {
                if let Some(phone) = self.pick_phone(index).map(|n| &mut self.phones[n]) {
                    act(
                        &mut phone.wire,
                        phone.guard.as_ref().expect("picked").outbox(),
                    );
                }
            }
        }
    }
}

fn pick(alive: Vec<usize>, index: usize) -> Option<usize> {
    (!alive.is_empty()).then(|| alive[index % alive.len()])
}
