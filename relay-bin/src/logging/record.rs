//! From a tracing event to one line: the order of keys, and which kind of value each field has.

use std::error::Error;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::clip::{Clipped, MAX_OWN_VALUE_LEN, MAX_VALUE_LEN};
use super::{Clock, LogFormat, json, logfmt};

/// The field that tracing puts an event's text into.
const MESSAGE: &str = "message";

/// Whose events speak of the process and its operator, and never of a peer.
const OWN_CRATE: &str = "relay_bin";

/// Writes events in one of the formats; spans are not shown, a record is complete by itself.
pub(super) struct RecordFormat {
    format: LogFormat,
    clock: Clock,
}

impl RecordFormat {
    pub(super) fn new(format: LogFormat, clock: Clock) -> Self {
        Self { format, clock }
    }
}

impl<S, N> FormatEvent<S, N> for RecordFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // `writer` is a buffer that outlives a panic in a value's `Display`, and would put this record's first half
        // before the thread's next one.
        let mut record = Record::new(self.format, max_value_len(event));
        let time = record.display(self.clock.now());
        record.text("time", &time);
        let level = record.clipped(level(event).as_bytes());
        record.text("level", &level);
        let mut message = Message(Clipped::within(record.max_value_len));
        event.record(&mut message);
        record.text("msg", &message.0);
        event.record(&mut FieldsOf(&mut record));
        writer.write_str(&record.finish())
    }
}

fn max_value_len(event: &Event<'_>) -> usize {
    let module = event.metadata().target();
    let is_own = module.split("::").next() == Some(OWN_CRATE);
    if is_own {
        MAX_OWN_VALUE_LEN
    } else {
        MAX_VALUE_LEN
    }
}

fn level(event: &Event<'_>) -> &'static str {
    match *event.metadata().level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

/// A line that is being written.
struct Record {
    format: LogFormat,
    max_value_len: usize,
    line: String,
}

impl Record {
    fn new(format: LogFormat, max_value_len: usize) -> Self {
        let mut line = String::with_capacity(256);
        if format == LogFormat::Json {
            line.push('{');
        }
        Self {
            format,
            max_value_len,
            line,
        }
    }

    fn clipped(&self, value: &[u8]) -> Clipped {
        Clipped::of(value, self.max_value_len)
    }

    fn display(&self, value: impl fmt::Display) -> Clipped {
        Clipped::display(value, self.max_value_len)
    }

    fn text(&mut self, key: &str, value: &Clipped) {
        self.key(key);
        match self.format {
            LogFormat::Logfmt => logfmt::push_text(&mut self.line, value.as_bytes()),
            LogFormat::Json => json::push_text(&mut self.line, value.as_bytes()),
        }
    }

    /// A number or a boolean, which both formats write alike.
    fn bare(&mut self, key: &str, value: impl fmt::Display) {
        self.key(key);
        self.line.push_str(&value.to_string());
    }

    fn key(&mut self, key: &str) {
        match self.format {
            LogFormat::Logfmt => logfmt::push_key(&mut self.line, key),
            LogFormat::Json => json::push_key(&mut self.line, key),
        }
    }

    fn finish(mut self) -> String {
        if self.format == LogFormat::Json {
            self.line.push('}');
        }
        self.line.push('\n');
        self.line
    }
}

/// The event's text; empty when it has none.
struct Message(Clipped);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            self.0.push(value.as_bytes());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            // What goes wrong is the value's own; what it wrote until then is all there is to log.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Everything else, in the order of the event.
struct FieldsOf<'r>(&'r mut Record);

impl FieldsOf<'_> {
    fn text(&mut self, field: &Field, value: &Clipped) {
        if field.name() != MESSAGE {
            self.0.text(field.name(), value);
        }
    }
}

impl Visit for FieldsOf<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.bare(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.bare(field.name(), value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.bare(field.name(), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.bare(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.bare(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.0.bare(field.name(), value);
        } else {
            // JSON has no number for these.
            let text = self.0.display(value);
            self.text(field, &text);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = self.0.clipped(value.as_bytes());
        self.text(field, &text);
    }

    /// Bytes are text of unknown encoding, such as a header's value.
    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        let text = self.0.clipped(value);
        self.text(field, &text);
    }

    /// An error with its causes, as its layers only tell their own part.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = self.0.display(value);
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push(b": ");
            text.push(self.0.display(error).as_bytes());
            cause = error.source();
        }
        self.text(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = self.0.display(format_args!("{value:?}"));
        self.text(field, &text);
    }
}
