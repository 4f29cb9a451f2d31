//! What every peer did and saw, kept apart from what the relay believes: the checks compare the two.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::peer::Ending;
use crate::plan::{Offence, Role};
use crate::trace::Trace;
use crate::wire::Wire;

#[derive(Default, Debug)]
pub(crate) struct Ledger {
    pub(crate) trace: Trace,
    /// What must not have happened.
    pub(crate) faults: Vec<String>,
    pub(crate) records: Vec<Record>,
    /// By conn_id: the binary that saw it, and the phone behind it.
    pub(crate) owners: BTreeMap<String, (usize, usize)>,
    pub(crate) most_queued: usize,
    pub(crate) drain_began: Option<Duration>,
}

/// One peer's connection.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) role: Role,
    pub(crate) server: usize,
    /// Its link is good; whether it also behaves is `disturbed`.
    pub(crate) is_quick: bool,
    pub(crate) wire: Option<Arc<Wire>>,
    pub(crate) dialed: Option<Duration>,
    pub(crate) status: Option<u16>,
    pub(crate) up: Option<Duration>,
    /// Since when it may be slow, silent, gone or in the wrong.
    pub(crate) disturbed: Option<Duration>,
    /// Since when the relay may take it for gone.
    pub(crate) leaving: Option<Duration>,
    /// Since when nothing at all comes from it any more.
    pub(crate) silent: Option<Duration>,
    pub(crate) own_close: Option<(Option<u16>, Duration)>,
    pub(crate) offence: Option<Offence>,
    pub(crate) has_half_frame: bool,
    pub(crate) close: Option<CloseRead>,
    pub(crate) ending: Option<(Ended, Duration)>,
    /// A phone's frames to its binary.
    pub(crate) sent: Vec<Sent>,
    /// How many frames a phone sent before one that is no JSON.
    pub(crate) not_json_after: Option<usize>,
    /// Frames a phone got, and of which binary.
    pub(crate) got: usize,
    pub(crate) got_from: Option<usize>,
    pub(crate) conn_id: Option<String>,
    /// What a binary knows of its phones.
    pub(crate) conns: BTreeMap<String, Conn>,
    /// Of phones that had sent it nothing.
    pub(crate) strange_notices: BTreeMap<String, u16>,
    pub(crate) read_at_drain: u64,
}

/// A close frame as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CloseRead {
    pub(crate) code: Option<u16>,
    pub(crate) reason: String,
    pub(crate) at: Duration,
}

/// How a peer's connection came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// As it saw the relay do.
    Relay(Ending),
    /// By the peer's own doing.
    Left,
    Vanished,
    /// It waited in vain for the relay.
    GaveUp,
}

/// A frame that was handed over to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    pub(crate) bytes: usize,
    pub(crate) at: Duration,
    /// How many bytes of the connection there were up to its end.
    pub(crate) end: u64,
}

/// One conn_id at its binary.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) phone: usize,
    /// Frames of the phone.
    pub(crate) got: usize,
    /// Frames to the phone.
    pub(crate) sent: Vec<Sent>,
    pub(crate) directive: Option<Directive>,
    pub(crate) notice: Option<u16>,
}

/// A close that a binary asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Directive {
    pub(crate) code: u16,
    /// Frames sent up to it.
    pub(crate) behind: usize,
}

impl Record {
    pub(crate) fn new(role: Role, server: usize, is_quick: bool) -> Self {
        Self {
            role,
            server,
            is_quick,
            wire: None,
            dialed: None,
            status: None,
            up: None,
            disturbed: None,
            leaving: None,
            silent: None,
            own_close: None,
            offence: None,
            has_half_frame: false,
            close: None,
            ending: None,
            sent: Vec::new(),
            not_json_after: None,
            got: 0,
            got_from: None,
            conn_id: None,
            conns: BTreeMap::new(),
            strange_notices: BTreeMap::new(),
            read_at_drain: 0,
        }
    }

    /// Reads and answers all the time over a good link, from beginning to end.
    pub(crate) fn is_sound(&self) -> bool {
        self.is_quick && self.disturbed.is_none() && self.offence.is_none()
    }

    /// When the relay had dropped it, if it has.
    pub(crate) fn dropped_by_relay(&self) -> Option<Duration> {
        self.wire.as_ref().and_then(|wire| wire.relay_left())
    }

    pub(crate) fn close_code(&self) -> Option<u16> {
        self.close.as_ref().map(|close| close.code.unwrap_or(1005))
    }
}

impl Ledger {
    pub(crate) fn fault(&mut self, what: impl Into<String>) {
        self.faults.push(what.into());
    }
}
