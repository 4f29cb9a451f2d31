//! What the model thinks is queued for one leg: a plain list of texts.

use std::collections::VecDeque;
use std::task::Waker;

use crate::close::Close;
use crate::testing::payloads;
use crate::{Chunk, Flush, Outbox};

#[derive(Default, Debug)]
pub(super) struct Wire {
    pub(super) queued: VecDeque<String>,
    /// What the leg's connection has in hand, and holds until it is given back.
    out: Option<Chunk>,
    pub(super) order: Option<Close>,
    pub(super) is_retired: bool,
    pub(super) is_cut: bool,
    pub(super) wants_ping: bool,
    /// Everything its connection ever took.
    pub(super) taken: Vec<String>,
}

impl Wire {
    pub(super) fn is_open(&self) -> bool {
        self.order.is_none() && !self.is_retired
    }

    pub(super) fn push(&mut self, text: String) -> bool {
        let is_open = self.is_open();
        if is_open {
            self.queued.push_back(text);
        }
        is_open
    }

    pub(super) fn close(&mut self, close: Close) {
        if self.is_retired {
            return;
        }
        let order = self.order.get_or_insert(close);
        order.flush = match (order.flush, close.flush) {
            (Flush::Nothing, _) | (_, Flush::Nothing) => Flush::Nothing,
            (Flush::All, Flush::All) => Flush::All,
            (Flush::Within(time), _) | (Flush::All, Flush::Within(time)) => Flush::Within(time),
        };
        if order.flush == Flush::Nothing {
            self.queued.clear();
        }
    }

    pub(super) fn retire(&mut self) {
        self.queued.clear();
        self.is_retired = true;
    }

    pub(super) fn take(&mut self, outbox: &Outbox) {
        if self.out.is_some() {
            return;
        }
        self.out = outbox.take(Waker::noop(), true).chunk;
        assert_eq!(self.out.is_some(), !self.queued.is_empty());
        for text in self.out.iter().flat_map(|chunk| payloads(chunk.bytes())) {
            assert_eq!(Some(&text), self.queued.front(), "first in, first out");
            self.queued.pop_front();
            self.taken.push(text);
        }
    }

    pub(super) fn written(&mut self, outbox: &Outbox) {
        if let Some(chunk) = self.out.take() {
            outbox.written(chunk);
        }
    }

    pub(super) fn torn(&mut self, outbox: &Outbox, at: usize) {
        if let Some(chunk) = self.out.take() {
            outbox.torn(chunk, at);
        }
    }
}
