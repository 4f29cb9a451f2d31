//! What happens in a world, written down before it happens: bounds, the drain, and a script for every peer. A plan is
//! drawn from a seed, and can be made smaller.

mod draw;
mod scripts;
mod smaller;

use std::time::Duration;

use crate::wire::{Link, Void};

pub use smaller::{NotSmaller, Smaller};

/// A world to be.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) flavour: Flavour,
    pub(crate) bounds: Bounds,
    pub(crate) drain: Drain,
    pub(crate) actors: Vec<Actor>,
}

impl Plan {
    /// What it was drawn from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// What a world is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Flavour {
    /// Good links and peers that behave: everything has to arrive.
    Calm,
    /// Links that stall, peers that vanish, stop reading or break the rules.
    Rough,
    /// Binaries come and go, and fight for a server-id.
    Restless,
    /// Small queues, floods, peers that do not read.
    Pressed,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) phones_per_server: usize,
    pub(crate) binary_high_water: usize,
    pub(crate) phone_backlog: usize,
    pub(crate) queue_memory: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    pub(crate) at: Duration,
    /// Whether `at` is so late that everything under way has arrived.
    pub(crate) is_settled: bool,
    pub(crate) deadline: Duration,
    pub(crate) spread: Duration,
    /// When a second signal comes, from `at`.
    pub(crate) cut_after: Option<Duration>,
}

/// One connection: a phone, or one life of a binary.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) role: Role,
    pub(crate) server: usize,
    pub(crate) dials_at: Duration,
    pub(crate) host: u8,
    pub(crate) link: Link,
    /// For the lanes, the masks and the choices made on the way.
    pub(crate) seed: u64,
    /// Sends its first frame behind the request, without waiting for the answer.
    pub(crate) is_eager: bool,
    /// Hangs up behind its part of a close handshake instead of waiting for the relay's end.
    pub(crate) is_hasty: bool,
    pub(crate) steps: Vec<(Duration, Step)>,
    pub(crate) manner: Manner,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Role {
    Binary,
    Phone,
}

/// How a binary treats a frame.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Manner {
    pub(crate) most_answers: usize,
    pub(crate) answer_bytes: usize,
    /// How often, in percent, it closes the phone instead.
    pub(crate) directives: usize,
}

/// What a peer does, so long after the step before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// A phone's frame, in so many fragments with pings between.
    Frame {
        bytes: usize,
        fragments: usize,
    },
    Ping,
    /// Neither reads nor writes for so long.
    Stall(Duration),
    /// The network holds everything back for so long.
    Freeze(Duration),
    /// An own close, with this code or none.
    Close(Option<u16>),
    /// Closes its socket without a word.
    HangUp,
    Reset {
        loses_what_is_under_way: bool,
    },
    Vanish(Void),
    /// A phone's message that is no JSON.
    NotJson,
    Offence(Offence),
    /// The first half of a frame, and then not a byte more.
    HalfFrame,
    /// A binary's envelope that means nothing, of several kinds.
    Garbage(usize),
    /// A binary's frame to a phone of another server-id.
    Foreign,
    /// A binary's frames to one of its phones.
    Flood {
        frames: usize,
        bytes: usize,
    },
    /// A binary's close of one of its phones, behind a frame or without one.
    Directive {
        code: u16,
        has_frame: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Offence {
    ReservedBit,
    Unmasked,
    BadOpcode,
    BadUtf8,
    TooBig,
}

impl Offence {
    /// What the relay closes with.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::ReservedBit | Self::Unmasked | Self::BadOpcode => 1002,
            Self::BadUtf8 => 1007,
            Self::TooBig => 1009,
        }
    }
}
