//! What is queued for one leg, and the orders its connection has yet to carry out.
//!
//! Senders push under a small lock and never wait; the leg's own connection task takes chunks, writes them and
//! gives them back. An outbox knows nothing of sockets or of who sends.

mod chunk;
mod state;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use crate::close::Close;
use crate::framing::MAX_HEAD;
use crate::stats::Accounts;
use crate::sync::{AtomicUsize, Mutex};
use crate::{Cause, Flush};

pub use chunk::Chunk;
use chunk::Kind;
use state::State;

/// The queue of one leg. See the module's first lines.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    /// Bytes that dropping the queue would free; the chunk being written is not among them.
    droppable: AtomicUsize,
    accounts: Arc<Accounts>,
    direction: Direction,
}

/// Which counter a written frame moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    ToPhone,
    ToBinary,
}

/// Why a push was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The leg is being closed for this reason.
    Closing(Cause),
    /// The leg's connection has ended.
    Retired,
    /// The leg's own bound is reached.
    Full,
}

/// What [`Outbox::take`] found to do.
#[derive(Debug, Default)]
pub struct Work {
    /// Messages to write, if one was wanted and there is one.
    pub chunk: Option<Chunk>,
    /// A close is ordered and the chunk is the last before it: nothing is queued behind, nor will be.
    pub is_last: bool,
    /// A ping is asked for, beyond those of the heartbeat.
    pub ping: bool,
    /// The close order in force; repeated on each call, since its flush can get stricter.
    pub close: Option<Close>,
    /// Drop the socket now, without a close frame.
    pub cut: bool,
}

impl Outbox {
    pub(crate) fn new(accounts: Arc<Accounts>, direction: Direction) -> Self {
        Self {
            state: Mutex::default(),
            droppable: AtomicUsize::new(0),
            accounts,
            direction,
        }
    }

    /// Queues one message made of `parts` unless the outbox is closing or `max_bytes` would be exceeded, and
    /// returns the bytes pinned afterwards.
    pub(crate) fn push(&self, parts: &[&[u8]], max_bytes: usize) -> Result<usize, Refused> {
        let mut state = self.state.lock();
        state.check_open()?;
        let framed = framed_len(parts);
        let growth = match state.chunks.back() {
            Some(tail) if tail.takes(framed) => tail.least_growth(framed),
            _ => framed,
        };
        if state.charged + growth > max_bytes {
            return Err(Refused::Full);
        }
        let room = max_bytes - state.charged;
        self.append(&mut state, parts, Kind::Frame, room);
        state.wake_for_chunk();
        Ok(state.charged)
    }

    /// As [`Outbox::push`], for a binary message.
    #[cfg(feature = "internals")]
    pub(crate) fn push_binary(&self, payload: &[u8]) -> Result<usize, Refused> {
        let mut state = self.state.lock();
        state.check_open()?;
        self.append(&mut state, &[payload], Kind::Frame, usize::MAX);
        if let Some(tail) = state.chunks.back_mut() {
            tail.make_last_binary(payload.len());
        }
        state.wake_for_chunk();
        Ok(state.charged)
    }

    /// Queues a close notice: small, uncounted, and never refused for want of room.
    pub(crate) fn push_notice(&self, notice: &[u8]) -> Result<(), Refused> {
        let mut state = self.state.lock();
        state.check_open()?;
        self.append(&mut state, &[notice], Kind::Notice, usize::MAX);
        state.wake_for_chunk();
        Ok(())
    }

    /// Orders a close; `last_words` go out behind everything queued, and nothing can get behind them.
    ///
    /// `false` if it was closing already: then they are not queued.
    pub(crate) fn close_after(
        &self,
        close: Close,
        last_words: impl Iterator<Item = Vec<u8>>,
    ) -> bool {
        let mut state = self.state.lock();
        let is_open = state.check_open().is_ok();
        if is_open {
            for notice in last_words {
                self.append(&mut state, &[&notice], Kind::Notice, usize::MAX);
            }
        }
        self.close_locked(&mut state, close);
        is_open
    }

    /// Orders a close. The first order wins; a later one can only shorten the flush.
    pub fn close(&self, close: Close) {
        self.close_after(close, std::iter::empty());
    }

    /// Orders a close that frees what is queued; `false`, and no order, if by now nothing is.
    pub(crate) fn evict(&self, close: Close) -> bool {
        let mut state = self.state.lock();
        let is_worth_it = !state.chunks.is_empty();
        if is_worth_it {
            self.close_locked(&mut state, close);
        }
        is_worth_it
    }

    fn close_locked(&self, state: &mut State, close: Close) {
        if state.is_retired {
            return;
        }
        state.is_draining |= close.cause == Cause::Drain;
        match &mut state.close {
            Some(first) => first.flush = first.flush.tighten(close.flush),
            none => *none = Some(close),
        }
        if state.close.is_some_and(|c| c.flush == Flush::Nothing) {
            self.drop_queued_locked(state);
        }
        state.wake_owner();
        state.wake_waiting();
    }

    /// Orders the connection to drop its socket at once.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock();
        state.is_cut = true;
        state.wake_owner();
    }

    /// Asks the connection for a ping.
    pub(crate) fn ping(&self) {
        let mut state = self.state.lock();
        state.wants_ping = true;
        state.wake_owner();
    }

    /// Whether a close has been ordered or the connection has ended.
    pub(crate) fn is_closing(&self) -> bool {
        self.state.lock().check_open().is_err()
    }

    /// The close in force, if one was ordered.
    pub fn close_order(&self) -> Option<Close> {
        self.state.lock().close
    }

    /// Whether the leg's connection has ended.
    pub(crate) fn is_retired(&self) -> bool {
        self.state.lock().is_retired
    }

    /// Bytes pinned, the chunk being written included.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn charged(&self) -> usize {
        self.state.lock().charged
    }

    /// Bytes that dropping the queue would free.
    pub(crate) fn droppable(&self) -> usize {
        self.droppable.load(Ordering::Relaxed)
    }

    /// Ready once fewer than `high_water` bytes are queued, or when waiting has become pointless.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, high_water: usize) -> Poll<()> {
        let mut state = self.state.lock();
        if state.charged < high_water || state.check_open().is_err() {
            return Poll::Ready(());
        }
        let waiting = &mut state.waiting_for_room;
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes the next work of the leg's connection, which alone may call this, and notes its waker.
    ///
    /// Without `wants_chunk` no chunk is taken and a push does not wake the caller; orders always do.
    pub fn take(&self, waker: &Waker, wants_chunk: bool) -> Work {
        let mut state = self.state.lock();
        if !state.owner.as_ref().is_some_and(|w| w.will_wake(waker)) {
            state.owner = Some(waker.clone());
        }
        let chunk = if wants_chunk {
            state.chunks.pop_front()
        } else {
            None
        };
        state.wants_chunk = wants_chunk && chunk.is_none();
        if let Some(chunk) = &chunk {
            state.hint = chunk.bytes().len();
            self.droppable.fetch_sub(chunk.pinned(), Ordering::Relaxed);
        }
        Work {
            is_last: chunk.is_some() && state.chunks.is_empty() && state.close.is_some(),
            chunk,
            ping: std::mem::take(&mut state.wants_ping),
            close: state.close,
            cut: state.is_cut,
        }
    }

    /// Gives back a chunk that has been written whole.
    pub fn written(&self, chunk: Chunk) {
        let got_out = chunk.forwarded();
        self.give_back(chunk, got_out);
    }

    /// Gives back a chunk of which only `written` bytes got out before the connection ended.
    pub fn torn(&self, chunk: Chunk, written: usize) {
        let got_out = chunk.forwarded_within(written);
        self.give_back(chunk, got_out);
    }

    /// Drops what is queued, as when the time to flush is over.
    pub fn drop_queued(&self) {
        let mut state = self.state.lock();
        self.drop_queued_locked(&mut state);
        state.wake_waiting();
    }

    /// Ends the outbox: drops the queue, refuses every push, wakes whoever waits for room.
    pub(crate) fn retire(&self) {
        let mut state = self.state.lock();
        self.drop_queued_locked(&mut state);
        state.is_retired = true;
        state.owner = None;
        state.wake_waiting();
    }

    fn append(&self, state: &mut State, parts: &[&[u8]], kind: Kind, room: usize) {
        let framed = framed_len(parts);
        let (mut chunk, pinned_before) = match state.chunks.pop_back() {
            Some(tail) if tail.takes(framed) => {
                let pinned = tail.pinned();
                (tail, pinned)
            }
            other => {
                state.chunks.extend(other);
                (Chunk::with_room_for(framed, state.hint, room), 0)
            }
        };
        chunk.append(parts, kind, room);
        let grown = chunk.pinned() - pinned_before;
        state.chunks.push_back(chunk);
        state.charged += grown;
        self.droppable.fetch_add(grown, Ordering::Relaxed);
        self.accounts.budget.charge(grown);
    }

    fn give_back(&self, chunk: Chunk, got_out: u32) {
        let lost = chunk.forwarded() - got_out;
        let counters = &self.accounts.counters;
        counters.forwarded(self.direction, got_out);
        counters.dropped(self.direction, lost);
        let mut state = self.state.lock();
        if state.is_draining {
            counters.drain_flushed(got_out);
            counters.drain_dropped(lost);
        }
        state.charged -= chunk.pinned();
        self.accounts.budget.release(chunk.pinned());
        state.wake_waiting();
    }

    fn drop_queued_locked(&self, state: &mut State) {
        for chunk in std::mem::take(&mut state.chunks) {
            state.charged -= chunk.pinned();
            self.droppable.fetch_sub(chunk.pinned(), Ordering::Relaxed);
            self.accounts.budget.release(chunk.pinned());
            self.accounts
                .counters
                .dropped(self.direction, chunk.forwarded());
            if state.is_draining {
                self.accounts.counters.drain_dropped(chunk.forwarded());
            }
        }
    }
}

/// The most that a message made of `parts` takes up in a chunk.
fn framed_len(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum::<usize>() + MAX_HEAD
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.accounts.budget.release(self.state.get_mut().charged);
    }
}

#[cfg(test)]
mod tests;
