//! Every live leg at one moment, as handles that can be asked to close.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::close::Close;
use crate::leg::{BinaryLeg, PhoneLeg};

/// All legs registered at one moment: freshly allocated, taken under the registry's read lock, then independent.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(crate) legs: Vec<LegHandle>,
    pub(crate) binaries: usize,
    pub(crate) is_draining: bool,
}

impl Snapshot {
    /// The legs, a binary before its phones.
    pub fn legs(&self) -> &[LegHandle] {
        &self.legs
    }

    /// Connected binaries; one in grace is not among them.
    pub fn binaries(&self) -> usize {
        self.binaries
    }

    /// Registered phones.
    pub fn phones(&self) -> usize {
        self.legs.len() - self.binaries
    }

    /// Whether a drain had begun.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }
}

/// Which leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegKind {
    /// A binary's.
    Binary,
    /// A phone's.
    Phone,
}

/// A leg that can be asked to end. Asking never waits; the leg's own connection does the work.
#[derive(Clone)]
pub struct LegHandle(pub(crate) Leg);

#[derive(Clone)]
pub(crate) enum Leg {
    Binary(Arc<BinaryLeg>),
    Phone(Arc<PhoneLeg>),
}

impl LegHandle {
    /// Which leg this is.
    pub fn kind(&self) -> LegKind {
        match self.0 {
            Leg::Binary(_) => LegKind::Binary,
            Leg::Phone(_) => LegKind::Phone,
        }
    }

    /// Asks for 1001 `shutting down`, behind what the peer takes within `flush`.
    ///
    /// A binary first gets, behind its last frame, a notice for each of its phones. Idempotent.
    pub fn drain(&self, flush: Duration) {
        match &self.0 {
            Leg::Binary(leg) => leg.drain(Close::drain(flush)),
            Leg::Phone(leg) => leg.outbox.close(Close::drain(flush)),
        }
    }

    /// Asks for the socket to be dropped without a close frame. Idempotent.
    pub fn cut(&self) {
        match &self.0 {
            Leg::Binary(leg) => leg.outbox.cut(),
            Leg::Phone(leg) => leg.outbox.cut(),
        }
    }
}

impl fmt::Debug for LegHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Leg::Binary(leg) => f.debug_tuple("Binary").field(&leg.server_id).finish(),
            Leg::Phone(leg) => f.debug_tuple("Phone").field(&leg.conn_id).finish(),
        }
    }
}
