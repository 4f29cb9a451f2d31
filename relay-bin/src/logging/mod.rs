//! Log records: one line per event, whatever a peer puts into its headers.
//!
//! Owns the format, the level filter and the length of values.
//! It must not know any event or key; those belong to the code that emits them.
//! It installs nothing: `main` makes the dispatcher the process's default, tests scope theirs.

use std::fmt;
use std::io;

use tracing::Dispatch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

mod clip;
mod clock;
mod json;
mod logfmt;
mod printable;
mod record;

#[cfg(test)]
mod tests;

pub use clip::{MAX_OWN_VALUE_LEN, MAX_VALUE_LEN};
pub use clock::Clock;

use record::RecordFormat;

/// How log records are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `time=… level=INFO msg=server_claimed key=value`, as the existing relay writes.
    #[default]
    Logfmt,
    /// One JSON object per line, with the same keys.
    Json,
}

/// A logger being set up: writes to stderr until told otherwise.
pub struct Logging<W = fn() -> io::Stderr> {
    format: LogFormat,
    filter: Targets,
    rejected_filter: Option<String>,
    clock: Clock,
    writer: W,
}

impl Logging {
    /// Levels come from `filter`, the text of `RUST_LOG`; targets it does not name stay at INFO, so that looking closer
    /// at one module does not silence the others' warnings.
    ///
    /// A text that cannot be read leaves everything at INFO: see [`rejected_filter`](Logging::rejected_filter).
    #[must_use]
    pub fn new(format: LogFormat, filter: Option<&str>) -> Self {
        let parsed = match filter.filter(|text| !text.is_empty()) {
            Some(text) => format!("info,{text}").parse(),
            None => Ok(everything_at_info()),
        };
        let (filter, rejected_filter) = match parsed {
            Ok(filter) => (filter, None),
            Err(error) => (everything_at_info(), Some(error.to_string())),
        };
        Self {
            format,
            filter,
            rejected_filter,
            clock: Clock::system(),
            writer: io::stderr,
        }
    }
}

fn everything_at_info() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

impl<W> Logging<W> {
    /// Why the filter text was not used; worth a WARN, and no reason not to serve.
    #[must_use]
    pub fn rejected_filter(&self) -> Option<&str> {
        self.rejected_filter.as_deref()
    }

    /// Takes the records' time from `clock`.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Writes to `writer`; each record is one `write_all`.
    #[must_use]
    pub fn with_writer<V>(self, writer: V) -> Logging<V>
    where
        V: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        Logging {
            format: self.format,
            filter: self.filter,
            rejected_filter: self.rejected_filter,
            clock: self.clock,
            writer,
        }
    }
}

impl<W> Logging<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    /// The logger, for `tracing::dispatcher`'s functions.
    #[must_use]
    pub fn into_dispatch(self) -> Dispatch {
        let subscriber = tracing_subscriber::fmt()
            // Its report of a failed write is an `eprintln!`, which panics when stderr is what failed.
            .log_internal_errors(false)
            .event_format(RecordFormat::new(self.format, self.clock))
            .with_max_level(LevelFilter::TRACE)
            .with_writer(self.writer)
            .finish()
            .with(self.filter);
        Dispatch::new(subscriber)
    }
}

impl<W> fmt::Debug for Logging<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging")
            .field("format", &self.format)
            .field("filter", &format_args!("{}", self.filter))
            .field("rejected_filter", &self.rejected_filter)
            .finish_non_exhaustive()
    }
}
