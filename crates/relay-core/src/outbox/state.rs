//! What an outbox's lock guards, and whom a change of it wakes.

use std::collections::VecDeque;
use std::task::Waker;

use super::{Chunk, Refused};
use crate::close::Close;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) chunks: VecDeque<Chunk>,
    /// Bytes pinned by `chunks` and by the chunk being written.
    pub(super) charged: usize,
    pub(super) close: Option<Close>,
    /// A drain was ordered, be it behind another close: what still goes out and what does not is counted for it.
    pub(super) is_draining: bool,
    pub(super) is_cut: bool,
    pub(super) is_retired: bool,
    pub(super) wants_ping: bool,
    pub(super) wants_chunk: bool,
    /// Length of the last chunk taken: a good guess for the next.
    pub(super) hint: usize,
    pub(super) owner: Option<Waker>,
    pub(super) waiting_for_room: Vec<Waker>,
}

impl State {
    pub(super) fn check_open(&self) -> Result<(), Refused> {
        match self.close {
            _ if self.is_retired => Err(Refused::Retired),
            Some(close) => Err(Refused::Closing(close.cause)),
            None => Ok(()),
        }
    }

    pub(super) fn wake_for_chunk(&mut self) {
        if std::mem::take(&mut self.wants_chunk) {
            self.wake_owner();
        }
    }

    pub(super) fn wake_owner(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.wake();
        }
    }

    pub(super) fn wake_waiting(&mut self) {
        for waker in self.waiting_for_room.drain(..) {
            waker.wake();
        }
    }
}
