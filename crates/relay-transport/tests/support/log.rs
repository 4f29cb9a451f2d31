//! The relay's log as one process-wide collector that knows what must never be in it.
//!
//! Process-wide, because tracing remembers per call site whether anybody listens: a collector scoped to one test
//! would miss events whose call site another test's thread had used first.

use std::fmt::{self, Write as _};
use std::sync::{Once, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::patiently;

/// Sent as every phone's token.
pub(crate) const TOKEN: &str = "planted-token-5Yv1";
/// Sent by every peer.
pub(crate) const USER_AGENT: &str = "planted-user-agent/5Yv2";
/// For tests to put into frames, envelopes and close reasons.
pub(crate) const PAYLOAD: &str = "planted-payload-5Yv3";
/// For tests to put into wakes.
pub(crate) const PUSH_TOKEN: &str = "planted-push-token-5Yv4";

const SECRETS: [&str; 4] = [TOKEN, USER_AGENT, PAYLOAD, PUSH_TOKEN];

/// The keys that the relay's libraries may log under.
const KEYS: [&str; 10] = [
    "server_id",
    "conn_id",
    "binary_conn_id",
    "device_name",
    "remote",
    "binary_version",
    "err",
    "path",
    "close_code",
    "suppressed",
];

/// One log record.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) message: String,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    pub(crate) fn field(&self, key: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(other, _)| *other == key);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn keys(&self) -> Vec<&'static str> {
        self.fields.iter().map(|(key, _)| *key).collect()
    }
}

#[derive(Default)]
struct Lines {
    all: Mutex<Vec<Line>>,
    changed: Notify,
}

fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(Lines::default)
}

/// Collects from now on; further calls do nothing.
pub(crate) fn collect() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        tracing::subscriber::set_global_default(Collector).expect("nobody else collects");
    });
}

/// What was logged about one server-id so far.
pub(crate) fn about(server_id: &str) -> Vec<Line> {
    let all = lines().all.lock();
    let about = |line: &&Line| line.field("server_id") == Some(server_id);
    all.iter().filter(about).cloned().collect()
}

/// How often an event was logged about one server-id so far.
pub(crate) fn count(server_id: &str, message: &str) -> usize {
    let about = about(server_id);
    about.iter().filter(|line| line.message == message).count()
}

/// Every record of an event so far, whoever it is about.
pub(crate) fn all(message: &str) -> Vec<Line> {
    let all = lines().all.lock();
    let of_it = all.iter().filter(|line| line.message == message);
    of_it.cloned().collect()
}

/// The first record that `is_it`, once there is one.
pub(crate) async fn find(what: &str, is_it: impl Fn(&Line) -> bool) -> Line {
    let find = async {
        loop {
            let mut changed = std::pin::pin!(lines().changed.notified());
            changed.as_mut().enable();
            let found = lines().all.lock().iter().find(|line| is_it(line)).cloned();
            if let Some(line) = found {
                return line;
            }
            changed.await;
        }
    };
    patiently(&format!("log record {what}"), find).await
}

/// The first record of an event about one server-id, once there is one.
pub(crate) async fn event(server_id: &str, message: &str) -> Line {
    let is_it = |line: &Line| line.message == message && line.field("server_id") == Some(server_id);
    find(message, is_it).await
}

/// Panics if any record of this process so far holds a planted secret or a key outside the closed set.
pub(crate) fn assert_clean() {
    for line in lines().all.lock().iter() {
        let text = format!("{line:?}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} was logged: {line:?}");
        }
        for key in line.keys() {
            assert!(KEYS.contains(&key), "unknown key {key}: {line:?}");
        }
    }
}

struct Collector;

impl Subscriber for Collector {
    /// At every level: what is not to be logged is not to be logged in debug either.
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("relay_")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line {
            level: *event.metadata().level(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut line);
        lines().all.lock().push(line);
        lines().changed.notify_waiters();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((field.name(), text));
        }
    }
}
