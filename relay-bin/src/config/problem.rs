//! Reasons not to start, as text and as log fields.

use std::error::Error as _;

use thiserror::Error;

use super::{ListenAddrError, MAX_DRAIN_DEADLINE, MIN_QUEUE_MEMORY};

/// One thing wrong with the configuration.
///
/// The text never holds what the operator typed: that is in [`addr`](Self::addr) or [`value`](Self::value).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// No flag says how to serve.
    #[error("no mode selected: want --insecure-listen (plain HTTP) or --domain (TLS)")]
    NoMode,
    /// `--insecure-listen` is not an address to listen on.
    #[error("--insecure-listen is not a listen address")]
    ListenAddr {
        /// The address as typed.
        addr: String,
        /// What is wrong with it.
        source: ListenAddrError,
    },
    /// `--max-connections` is zero or negative.
    #[error("--max-connections must be positive")]
    MaxConnections {
        /// The number as typed.
        value: String,
    },
    /// `--drain-deadline` is zero or too long.
    #[error(
        "--drain-deadline must be longer than zero and at most {}h",
        MAX_DRAIN_DEADLINE.as_secs() / 3600
    )]
    DrainDeadline {
        /// The duration as typed.
        value: String,
    },
    /// `--queue-memory` is too small for the largest legal frames.
    #[error("--queue-memory must be at least {}MiB", MIN_QUEUE_MEMORY >> 20)]
    QueueMemory {
        /// The size as typed.
        value: String,
    },
}

impl ConfigProblem {
    /// The `err` field: the text, and what caused it.
    #[must_use]
    pub fn err(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// The `addr` field: the address at fault.
    #[must_use]
    pub fn addr(&self) -> Option<&str> {
        match self {
            Self::ListenAddr { addr, .. } => Some(addr),
            Self::NoMode
            | Self::MaxConnections { .. }
            | Self::DrainDeadline { .. }
            | Self::QueueMemory { .. } => None,
        }
    }

    /// The `value` field: the value at fault.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::NoMode | Self::ListenAddr { .. } => None,
            Self::MaxConnections { value }
            | Self::DrainDeadline { value }
            | Self::QueueMemory { value } => Some(value),
        }
    }

    /// The `fix` field: what to type instead.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::NoMode => "for a first try: --insecure-listen 127.0.0.1:8080",
            Self::ListenAddr { .. } => "give host:port, :port or [v6]:port, port 1 to 65535",
            Self::MaxConnections { .. } => "leave the flag out for its default",
            Self::DrainDeadline { .. } => "leave the flag out for its default",
            Self::QueueMemory { .. } => "leave the flag out for its default",
        }
    }

    /// Writes the problem as one ERROR record.
    pub fn log(&self) {
        tracing::error!(
            err = self.err(),
            addr = self.addr(),
            value = self.value(),
            fix = self.fix(),
            "configuration refused"
        );
    }
}
