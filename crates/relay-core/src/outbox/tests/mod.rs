//! Tests of the outbox: what it charges, how it closes, whom it wakes, and what a torn chunk counts.

mod charge;
mod close;
mod torn;
mod wake;

use std::sync::Arc;
use std::task::Waker;

use super::{Chunk, Direction, Outbox, Refused};
use crate::Budget;
use crate::stats::{Accounts, Counters, Stats};

const UNBOUNDED: usize = usize::MAX;

fn accounts() -> Arc<Accounts> {
    Arc::new(Accounts {
        budget: Budget::new(UNBOUNDED),
        counters: Counters::default(),
    })
}

fn to_phone() -> Outbox {
    Outbox::new(accounts(), Direction::ToPhone)
}

fn to_binary() -> Outbox {
    Outbox::new(accounts(), Direction::ToBinary)
}

impl Outbox {
    fn push_text(&self, text: &str) {
        self.push(&[text.as_bytes()], UNBOUNDED)
            .expect("open and unbounded");
    }

    fn push_len(&self, len: usize) {
        self.push(&[&vec![b'x'; len]], UNBOUNDED)
            .expect("open and unbounded");
    }

    fn take_chunk(&self) -> Option<Chunk> {
        self.take(Waker::noop(), true).chunk
    }

    fn stats(&self) -> Stats {
        self.accounts.read()
    }

    fn budget_used(&self) -> usize {
        self.accounts.budget.used()
    }

    fn pinned_by_queue(&self) -> usize {
        self.state.lock().chunks.iter().map(Chunk::pinned).sum()
    }
}
