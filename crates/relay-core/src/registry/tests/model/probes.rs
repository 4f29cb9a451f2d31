//! Steps of claimants that find a server-id held: they probe its holder, and perhaps take over.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::*;
use super::world::{Slot, World};
use crate::ProbeAnswer;

/// A claimant and the binary it probes, from then on perhaps long gone.
pub(super) struct Probe {
    slot: usize,
    binary: usize,
    incumbent: Incumbent,
    has_heard: bool,
    /// Until it is answered.
    pending: Option<Pin<Box<dyn Future<Output = ProbeAnswer>>>>,
}

impl World {
    pub(super) fn probe(&mut self, slot: usize) {
        if let (Slot::Held(binary), false) = (self.slots[slot], self.is_draining) {
            let incumbent = self.relay.incumbent(&slot.to_string());
            let probed = incumbent.clone();
            let mut pending: Pin<Box<dyn Future<Output = ProbeAnswer>>> =
                Box::pin(async move { probed.probe().await });
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(pending.as_mut().poll(cx).is_pending());
            self.binaries[binary].wire.wants_ping = true;
            self.probes.push(Probe {
                slot,
                binary,
                incumbent,
                has_heard: false,
                pending: Some(pending),
            });
        }
    }

    /// A byte arrives from a binary.
    pub(super) fn heard(&mut self, binary: usize) {
        self.binaries[binary]
            .guard
            .as_ref()
            .expect("picked")
            .heard();
        for probe in &mut self.probes {
            probe.has_heard |= probe.binary == binary;
        }
    }

    /// A probe goes on for ever, unless its binary was heard or is gone.
    pub(super) fn check_probes(&mut self) {
        let cx = &mut Context::from_waker(Waker::noop());
        for probe in &mut self.probes {
            let Some(pending) = &mut probe.pending else {
                continue;
            };
            let expected = if probe.has_heard {
                Poll::Ready(ProbeAnswer::Alive)
            } else if self.binaries[probe.binary].wire.is_retired {
                Poll::Ready(ProbeAnswer::Gone)
            } else {
                Poll::Pending
            };
            assert_eq!(pending.as_mut().poll(cx), expected);
            if expected.is_ready() {
                probe.pending = None;
            }
        }
    }

    /// A claimant acts on its probe, whatever its answer and however late.
    pub(super) fn take_over(&mut self, index: usize) {
        if self.probes.is_empty() {
            return;
        }
        let probe = self.probes.remove(index % self.probes.len());
        let slot = probe.slot;
        match (self.slots[slot], self.relay.take_over(&probe.incumbent)) {
            (_, Err(ClaimError::Draining)) => assert!(self.is_draining),
            (Slot::Held(holder), Err(ClaimError::Held(_))) => assert_ne!(holder, probe.binary),
            (Slot::Held(holder), Ok(guard)) => {
                assert_eq!(holder, probe.binary, "nobody else is displaced");
                self.binaries[holder].wire.close(Close::heartbeat_timeout());
                self.seat(slot, guard);
            }
            (Slot::Absent | Slot::Grace(..), Ok(guard)) => self.seat(slot, guard),
            (_, outcome) => panic!("{outcome:?}"),
        }
    }
}
