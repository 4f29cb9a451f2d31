//! One direction of a connection: bytes under way, and what can become of them. Pure, given `now`.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::Link;
use crate::random::Random;

/// What a read or a write comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Done(usize),
    /// Nothing before something changes.
    Wait,
    /// Nothing before this time, if nothing changes.
    WaitUntil(Instant),
    /// Nothing yet, for no reason; ask again.
    Hesitate,
    End,
    Broken,
}

#[derive(Debug)]
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    taken: usize,
}

/// Where the bytes of a peer that vanished go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Void {
    /// They are acknowledged by somebody for ever.
    Swallows,
    /// The window fills up.
    Fills,
}

#[derive(Debug)]
pub(super) struct Lane {
    link: Link,
    random: Random,
    /// Taken from the writer, which has not flushed yet.
    staged: Vec<u8>,
    pieces: VecDeque<Piece>,
    buffered: usize,
    last_due: Option<Instant>,
    has_hesitated: bool,
    is_finished: bool,
    /// Nobody reads any more.
    is_deserted: bool,
    /// What is read next after the pieces is an error.
    is_reset: bool,
    void: Option<Void>,
    frozen_until: Option<Instant>,
    /// Bytes that the reader has taken.
    pub(super) taken: u64,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Lane {
    pub(super) fn new(link: Link, random: Random) -> Self {
        Self {
            link,
            random,
            staged: Vec::new(),
            pieces: VecDeque::new(),
            buffered: 0,
            last_due: None,
            has_hesitated: false,
            is_finished: false,
            is_deserted: false,
            is_reset: false,
            void: None,
            frozen_until: None,
            taken: 0,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn read(&mut self, into: &mut [u8], now: Instant) -> Outcome {
        if let Some(until) = self.frozen_until.filter(|until| now < *until) {
            return Outcome::WaitUntil(until);
        }
        let Some(piece) = self.pieces.front_mut() else {
            return match self.last_due {
                _ if self.is_reset => Outcome::Broken,
                Some(due) if self.is_finished && now < due => Outcome::WaitUntil(due),
                _ if self.is_finished => Outcome::End,
                _ => Outcome::Wait,
            };
        };
        if now < piece.due {
            return Outcome::WaitUntil(piece.due);
        }
        if self.hesitates() {
            return Outcome::Hesitate;
        }
        let Some(piece) = self.pieces.front_mut() else {
            return Outcome::Wait;
        };
        let left = piece.bytes.len() - piece.taken;
        let (widest, _) = self.link.width(self.taken);
        let most = left.min(into.len()).min(widest);
        let n = cut(&mut self.random, self.link.cuts, most);
        into[..n].copy_from_slice(&piece.bytes[piece.taken..piece.taken + n]);
        piece.taken += n;
        if n == left {
            self.pieces.pop_front();
        }
        self.buffered -= n;
        self.taken += n as u64;
        wake(&mut self.writer);
        Outcome::Done(n)
    }

    pub(super) fn write(&mut self, bytes: &[u8], now: Instant) -> Outcome {
        if self.is_deserted || self.is_finished {
            return Outcome::Broken;
        }
        if self.void == Some(Void::Swallows) {
            return Outcome::Done(bytes.len());
        }
        let (piece, window) = self.link.width(self.taken + self.buffered as u64);
        let room = window.saturating_sub(self.buffered);
        if room == 0 {
            self.flush(now);
            return Outcome::Wait;
        }
        if self.hesitates() {
            return Outcome::Hesitate;
        }
        let most = bytes.len().min(room).min(piece);
        let n = cut(&mut self.random, self.link.cuts, most);
        self.buffered += n;
        self.staged.extend_from_slice(&bytes[..n]);
        // One that holds back does so until there is a record of it, not for ever.
        if !self.link.holds_back || self.buffered >= window {
            self.flush(now);
        }
        Outcome::Done(n)
    }

    /// What is staged sets out.
    pub(super) fn flush(&mut self, now: Instant) {
        if self.staged.is_empty() || self.void.is_some() {
            return;
        }
        let (least, most) = self.link.delay_ms;
        let delay = Duration::from_millis(self.random.within(least..=most) as u64);
        let due = (now + delay).max(self.last_due.unwrap_or(now));
        self.last_due = Some(due);
        let bytes = std::mem::take(&mut self.staged);
        self.pieces.push_back(Piece {
            due,
            bytes,
            taken: 0,
        });
        wake(&mut self.reader);
    }

    pub(super) fn finish(&mut self) {
        self.is_finished = true;
        wake(&mut self.reader);
    }

    /// The reader is gone.
    pub(super) fn desert(&mut self) {
        self.is_deserted = true;
        wake(&mut self.writer);
    }

    pub(super) fn reset(&mut self, loses_what_is_under_way: bool) {
        self.is_reset = true;
        self.staged.clear();
        if loses_what_is_under_way {
            self.pieces.clear();
            self.buffered = 0;
        }
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    pub(super) fn vanish_into(&mut self, void: Void) {
        self.void = Some(void);
        wake(&mut self.writer);
    }

    pub(super) fn freeze(&mut self, until: Instant) {
        self.frozen_until = Some(until);
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.is_deserted
    }

    pub(super) fn has_unread(&self) -> bool {
        self.buffered > 0
    }

    /// Never twice in a row; and never on the way to nobody, since bytes that are taken after a wait are a sign of life.
    fn hesitates(&mut self) -> bool {
        self.has_hesitated =
            !self.has_hesitated && self.void.is_none() && self.random.percent(self.link.hesitates);
        self.has_hesitated
    }
}

/// At most so many bytes, at least one.
fn cut(random: &mut Random, cuts: usize, most: usize) -> usize {
    if random.percent(cuts) {
        1 + random.below(most)
    } else {
        most
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
