//! What happened in a world, in order: the same for the same seed, and what a replay prints.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::peer::Ending;
use crate::plan::Step;

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Note {
    Dials,
    Answered(u16),
    Does(Step),
    /// A frame, by who sent it and which of theirs it is.
    Frame {
        from: usize,
        number: usize,
    },
    Notice {
        conn_id: String,
        code: u16,
    },
    Pong,
    Close(Option<(u16, String)>),
    End(Ending),
    Leaves,
    Drain,
    Drained,
}

/// Who, if it was a peer, what, and when.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Event {
    at: Duration,
    actor: Option<usize>,
    note: Note,
}

/// Everything that happened.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Trace(Vec<Event>);

impl Trace {
    pub(crate) fn add(&mut self, at: Duration, actor: Option<usize>, note: Note) {
        self.0.push(Event { at, actor, note });
    }

    /// Things that happened.
    #[must_use]
    pub fn events(&self) -> usize {
        self.0.len()
    }

    /// The closes that were read, code and reason, 1005 where there was no code.
    pub fn closes(&self) -> impl Iterator<Item = (u16, &str)> {
        self.0.iter().filter_map(|event| {
            let Note::Close(close) = &event.note else {
                return None;
            };
            let close = close.as_ref();
            Some(close.map_or((1005, ""), |(code, reason)| (*code, reason)))
        })
    }

    /// The same for the same events in the same order at the same times, in every process.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Event { at, actor, note } in &self.0 {
            write!(f, "{:>9.3} s  ", at.as_secs_f64())?;
            match actor {
                Some(actor) => write!(f, "{actor:>3}")?,
                None => f.write_str("  -")?,
            }
            writeln!(f, "  {note:?}")?;
        }
        Ok(())
    }
}
