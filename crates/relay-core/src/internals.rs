//! A door to what is not public, for the conformance tests, the model and the simulation. Behind a feature; no
//! promise is made of it.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::budget::Budget;
use crate::id::Minter;
use crate::outbox::{Direction, Outbox};
use crate::stats::{Accounts, Counters};
use crate::{Limits, Registry};

/// A registry whose conn_ids are the same in every run: anybody can guess them.
#[must_use]
pub fn repeatable_registry(limits: Limits, seed: u64) -> Registry {
    Registry::with_minter(limits, Minter::Seeded(seed.into()))
}

/// Bytes that an outbox pins, its part of the budget.
pub fn charged(outbox: &Outbox) -> usize {
    outbox.charged()
}

/// The outbox of a leg that is no member of any registry: what it hears goes back into it.
#[derive(Debug)]
pub struct EchoBox(Outbox);

impl EchoBox {
    /// An outbox of its own, with no budget over it: its holder stops reading at the high-water mark.
    #[must_use]
    pub fn new() -> Self {
        let accounts = Accounts {
            budget: Budget::new(usize::MAX),
            counters: Counters::default(),
        };
        Self(Outbox::new(Arc::new(accounts), Direction::ToPhone))
    }

    /// What its connection writes from.
    pub fn outbox(&self) -> &Outbox {
        &self.0
    }

    /// Queues a text message, as a frame for a phone is queued, and tells the bytes pinned afterwards; 0 if closing.
    pub fn text(&self, text: &str) -> usize {
        self.0.push(&[text.as_bytes()], usize::MAX).unwrap_or(0)
    }

    /// Queues a binary message, which the relay never does.
    pub fn binary(&self, bytes: &[u8]) -> usize {
        self.0.push_binary(bytes).unwrap_or(0)
    }

    /// Ready once fewer than `high_water` bytes are queued.
    pub fn poll_room(&self, cx: &mut Context<'_>, high_water: usize) -> Poll<()> {
        self.0.poll_room(cx, high_water)
    }
}

impl Default for EchoBox {
    fn default() -> Self {
        Self::new()
    }
}
