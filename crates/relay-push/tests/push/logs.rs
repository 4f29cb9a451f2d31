//! Everything that is logged, at every level, as text.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Inner>);

#[derive(Default)]
struct Inner {
    text: Mutex<Vec<u8>>,
    changed: Notify,
}

/// While it lives, this thread's events are captured; the runtimes of these tests have no other thread.
pub(crate) struct Capture(#[expect(dead_code, reason = "held")] tracing::subscriber::DefaultGuard);

pub(crate) fn capture() -> (Logs, Capture) {
    let logs = Logs::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(logs.clone())
        .finish();
    (logs, Capture(tracing::subscriber::set_default(subscriber)))
}

impl Logs {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.text.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines(&self, event: &str) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(event));
        lines.map(str::to_owned).collect()
    }

    /// The `nth` line of an event, counted from 1, as soon as it is there.
    pub(crate) async fn wait_for(&self, event: &str, nth: usize) -> String {
        let line = async {
            loop {
                let changed = self.0.changed.notified();
                if let Some(line) = self.lines(event).get(nth - 1) {
                    return line.clone();
                }
                changed.await;
            }
        };
        timeout(Duration::from_secs(20), line)
            .await
            .unwrap_or_else(|_| panic!("no line {nth} of {event}:\n{}", self.text()))
    }
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.text.lock().unwrap().extend_from_slice(bytes);
        self.0.changed.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
