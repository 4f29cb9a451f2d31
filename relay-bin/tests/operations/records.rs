//! What relays on this thread log, as an operator's tools read it.

use std::io;
use std::sync::{Arc, Mutex};

use relay_bin::logging::{LogFormat, Logging};
use serde_json::Value;
use tracing::dispatcher::DefaultGuard;

use crate::harness::PATIENCE;

/// Everything logged so far, at every level.
#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<u8>>>);

/// Collects what this thread logs for as long as the guard lives; the runtimes of these tests have no other thread.
pub(crate) fn capture() -> (Records, DefaultGuard) {
    let records = Records::default();
    let writer = records.clone();
    let dispatch = Logging::new(LogFormat::Json, Some("trace"))
        .with_writer(move || writer.clone())
        .into_dispatch();
    (records, tracing::dispatcher::set_default(&dispatch))
}

impl Records {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Those of one event, without the time.
    pub(crate) fn of(&self, msg: &str) -> Vec<Record> {
        let text = self.text();
        let records = text.lines().map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("time");
            Record(record)
        });
        records.filter(|record| record.text("msg") == msg).collect()
    }

    /// The only one of an event.
    pub(crate) fn one(&self, msg: &str) -> Record {
        let mut records = self.of(msg);
        assert_eq!(records.len(), 1, "{msg}: {records:?}");
        records.remove(0)
    }

    /// The first one of an event, once there is one.
    pub(crate) async fn first(&self, msg: &str) -> Record {
        let told = async {
            loop {
                if let Some(record) = self.of(msg).into_iter().next() {
                    return record;
                }
                tokio::task::yield_now().await;
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        told.unwrap_or_else(|_| panic!("no {msg} in\n{}", self.text()))
    }
}

/// One line.
#[derive(Debug)]
pub(crate) struct Record(Value);

impl Record {
    /// The text under a key; empty when there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.0[key].as_u64()
    }

    /// Its level, and its keys beside level and event, sorted.
    pub(crate) fn shape(&self) -> (&str, Vec<&str>) {
        let keys = self.0.as_object().unwrap().keys().map(String::as_str);
        let mut keys: Vec<_> = keys
            .filter(|key| !matches!(*key, "level" | "msg"))
            .collect();
        keys.sort_unstable();
        (self.text("level"), keys)
    }
}

impl io::Write for Records {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
