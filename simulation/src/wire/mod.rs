//! A connection between a peer and the relay: two lanes of bytes in memory, whose pace, cuts and accidents come from a
//! seed. Knows nothing of what is said on it.
//!
//! It behaves like TCP where that matters: whoever drops an end with unread bytes resets the other, and a reset takes
//! along what was still under way.

mod end;
mod lane;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use end::End;
use lane::Lane;
pub(crate) use lane::Void;

use crate::clock::{Clock, now};
use crate::random::Random;

/// The character of a connection, the same in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Link {
    /// Least and most, each way.
    pub(crate) delay_ms: (usize, usize),
    /// Bytes of one read or write, at most.
    pub(crate) piece: usize,
    /// Bytes under way, at most.
    pub(crate) window: usize,
    /// Where it is narrow, if anywhere.
    pub(crate) narrow: Option<Narrow>,
    /// How often, in percent, a read or write does less than it could.
    pub(crate) cuts: usize,
    /// How often, in percent, a read or write that could go on does not at first.
    pub(crate) hesitates: usize,
    /// What the relay wrote sets out when it flushes, as on a TLS stream.
    pub(crate) holds_back: bool,
}

/// A stretch at the beginning of every 4 KiB on which pieces and window are small: all of it would take too long.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Narrow {
    pub(crate) stretch: usize,
    pub(crate) piece: usize,
    pub(crate) window: usize,
}

impl Link {
    /// Largest piece and window behind so many bytes.
    fn width(&self, after: u64) -> (usize, usize) {
        let at = (after % 4096) as usize;
        match self.narrow.filter(|narrow| at < narrow.stretch) {
            Some(narrow) => (narrow.piece.min(narrow.stretch - at), narrow.window),
            None => (self.piece, self.window),
        }
    }

    /// Whether a close handshake over it, some queued frames ahead, is a matter of at most a second.
    pub(crate) fn is_quick(&self) -> bool {
        let (_, most) = self.delay_ms;
        most == 0 || (most <= 40 && self.window >= 8 << 10)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Relay,
    Peer,
}

/// What both ends share; kept by the world, which looks at it when the ends are gone.
#[derive(Debug)]
pub(crate) struct Wire {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    to_relay: Lane,
    to_peer: Lane,
    has_vanished: bool,
    relay_left: Option<Duration>,
}

impl Wire {
    pub(crate) fn connect(link: Link, seed: u64, clock: Clock) -> (Arc<Self>, End, End) {
        let mut random = Random::seeded(seed);
        let mut lane = |holds_back| {
            let link = Link { holds_back, ..link };
            Lane::new(link, Random::seeded(random.next()))
        };
        let state = State {
            to_relay: lane(false),
            to_peer: lane(link.holds_back),
            has_vanished: false,
            relay_left: None,
        };
        let wire = Arc::new(Self {
            clock,
            state: Mutex::new(state),
        });
        let end = |side| End::new(Arc::clone(&wire), side);
        let (relay, peer) = (end(Side::Relay), end(Side::Peer));
        (wire, relay, peer)
    }

    /// Bytes of the peer that the relay has read.
    pub(crate) fn read_by_relay(&self) -> u64 {
        self.state.lock().to_relay.taken
    }

    /// When the relay dropped its end.
    pub(crate) fn relay_left(&self) -> Option<Duration> {
        self.state.lock().relay_left
    }

    /// The peer is gone and says nothing of it.
    fn vanish(&self, void: Void) {
        let mut state = self.state.lock();
        state.has_vanished = true;
        state.to_peer.vanish_into(void);
    }

    fn reset(&self, loses_what_is_under_way: bool) {
        let mut state = self.state.lock();
        state.to_relay.reset(loses_what_is_under_way);
        state.to_peer.desert();
    }

    fn freeze(&self, length: Duration) {
        let until = now() + length;
        let mut state = self.state.lock();
        state.to_relay.freeze(until);
        state.to_peer.freeze(until);
    }

    fn dropped_by(&self, side: Side) {
        let mut state = self.state.lock();
        if side == Side::Relay {
            state.relay_left = Some(self.clock.elapsed());
        }
        if side == Side::Peer && state.has_vanished {
            return;
        }
        let (inbound, outbound) = state.lanes(side);
        if inbound.has_unread() {
            outbound.reset(true);
        }
        outbound.finish();
        inbound.desert();
    }
}

impl State {
    /// What `side` reads, and what it writes.
    fn lanes(&mut self, side: Side) -> (&mut Lane, &mut Lane) {
        match side {
            Side::Relay => (&mut self.to_relay, &mut self.to_peer),
            Side::Peer => (&mut self.to_peer, &mut self.to_relay),
        }
    }
}
