//! What the relay is to do, decided from the flags and the environment.
//!
//! Owns the meaning of flags: modes, conflicts, ranges, caps; and what is told to the operator who got one wrong.
//! It must not read the environment, open files or resolve names: everything comes in as data.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::args::{Flags, Setting};
use crate::logging::LogFormat;

mod listen;
mod problem;
mod warning;

#[cfg(test)]
mod tests;

pub use listen::{Host, ListenAddr, ListenAddrError};
pub use problem::ConfigProblem;
pub use warning::ConfigWarning;

/// The longest `--drain-deadline`: far above what orchestrators grant, below what only a wrong unit can mean.
pub const MAX_DRAIN_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// The least `--queue-memory`: four frames of the largest legal size, 256 KiB.
pub const MIN_QUEUE_MEMORY: u64 = 1 << 20;

/// What a process finds around it, read once by whoever starts the relay.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The text of `RUST_LOG`.
    pub rust_log: Option<String>,
    /// The memory this process may use, in bytes, when there is a limit.
    pub memory_limit: Option<u64>,
}

/// A configuration that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where plain HTTP is served.
    pub listen: ListenAddr,
    /// Live WebSockets, inclusive, before the open-file limit is taken into account.
    pub max_connections: NonZeroUsize,
    /// Bounds a drain from the signal to the last cut; at most [`MAX_DRAIN_DEADLINE`].
    pub drain_deadline: Duration,
    /// Bytes queued to all phones together, at most half of the memory limit but at least [`MIN_QUEUE_MEMORY`].
    pub queue_memory: u64,
    /// How log records are written.
    pub log_format: LogFormat,
    /// What the operator asked for and did not get in full: worth a WARN, no reason to refuse.
    pub warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Judges the flags in the given environment.
    ///
    /// # Errors
    ///
    /// All problems there are, never none, in the order of the existing relay's checks; exit 2.
    pub fn from_flags(
        flags: &Flags,
        environment: &Environment,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();

        let listen = keep(listen(flags), &mut problems);
        let max_connections = keep(max_connections(flags), &mut problems);
        let drain_deadline = keep(drain_deadline(flags), &mut problems);
        let queue_memory = keep(
            queue_memory(flags, environment, &mut warnings),
            &mut problems,
        );

        match (listen, max_connections, drain_deadline, queue_memory) {
            (Some(listen), Some(max_connections), Some(drain_deadline), Some(queue_memory)) => {
                Ok(Self {
                    listen,
                    max_connections,
                    drain_deadline,
                    queue_memory,
                    log_format: *flags.log_format.value(),
                    warnings,
                })
            }
            _ => Err(problems),
        }
    }
}

fn keep<T>(result: Result<T, ConfigProblem>, problems: &mut Vec<ConfigProblem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn listen(flags: &Flags) -> Result<ListenAddr, ConfigProblem> {
    let addr = flags.insecure_listen.value();
    if addr.is_empty() {
        return Err(ConfigProblem::NoMode);
    }
    addr.parse().map_err(|source| ConfigProblem::ListenAddr {
        addr: addr.clone(),
        source,
    })
}

fn max_connections(flags: &Flags) -> Result<NonZeroUsize, ConfigProblem> {
    let count = u64::try_from(*flags.max_connections.value()).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    NonZeroUsize::new(count).ok_or_else(|| ConfigProblem::MaxConnections {
        value: typed(&flags.max_connections),
    })
}

fn drain_deadline(flags: &Flags) -> Result<Duration, ConfigProblem> {
    let deadline = *flags.drain_deadline.value();
    if deadline.is_zero() || deadline > MAX_DRAIN_DEADLINE {
        return Err(ConfigProblem::DrainDeadline {
            value: typed(&flags.drain_deadline),
        });
    }
    Ok(deadline)
}

fn queue_memory(
    flags: &Flags,
    environment: &Environment,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<u64, ConfigProblem> {
    let requested = flags.queue_memory.value().0;
    if requested < MIN_QUEUE_MEMORY {
        return Err(ConfigProblem::QueueMemory {
            value: typed(&flags.queue_memory),
        });
    }
    let most = environment
        .memory_limit
        .map_or(u64::MAX, |limit| limit / 2)
        .max(MIN_QUEUE_MEMORY);
    let granted = requested.min(most);
    // A default that does not fit a small machine is no news to its operator.
    if granted < requested && flags.queue_memory.is_present() {
        warnings.push(ConfigWarning::QueueMemoryCapped { requested, granted });
    }
    Ok(granted)
}

/// What the operator wrote; empty for a default, which no check refuses.
fn typed<T>(setting: &Setting<T>) -> String {
    let raw = setting.raw().unwrap_or_default();
    raw.to_string_lossy().into_owned()
}
