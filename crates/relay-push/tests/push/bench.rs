//! A waker between Google made up and a captured log.

use std::time::Duration;

use relay_core::{ServerId, WakeRefused, WakeSink};
use relay_push::{Config, Credentials, Waker};
use serde_json::{Value, json};

use crate::google::Google;
use crate::logs::{self, Capture, Logs};
use crate::testing;

/// A waker, the Google it talks to, and what it logs.
///
/// The clock is real, so timers that a test waits for are short and those it does not want are long.
pub(crate) struct Bench {
    pub(crate) google: Google,
    pub(crate) logs: Logs,
    pub(crate) waker: Waker,
    _capture: Capture,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config, |_| ()).await
    }

    pub(crate) async fn with(
        configure: impl FnOnce(Config) -> Config,
        change_key: impl FnOnce(&mut Value),
    ) -> Self {
        let (logs, capture) = logs::capture();
        let google = Google::start().await;
        let mut key = testing::key_file();
        key["token_uri"] = json!(format!("{}/token", google.url()));
        change_key(&mut key);
        let credentials: Credentials = key.to_string().parse().unwrap();
        let config = Config::default()
            .endpoint(google.url().parse().unwrap())
            .retry_backoff(Duration::from_millis(10));
        let waker = Waker::start(credentials, &configure(config)).unwrap();
        Self {
            google,
            logs,
            waker,
            _capture: capture,
        }
    }

    pub(crate) fn ask(&self, server: &str, token: &str) -> Result<(), WakeRefused> {
        let raw = json!({"platform": "fcm", "token": token}).to_string();
        let server = ServerId::new(server.as_bytes());
        self.waker.wake(&server, raw.as_bytes())
    }

    /// Asks for one wake, under a server-id of its own, and waits for the line of the `nth` outcome.
    pub(crate) async fn outcome(&self, token: &str, nth: usize) -> String {
        self.ask(&format!("server-{nth}"), token).unwrap();
        self.logs.wait_for(OUTCOME, nth).await
    }
}

/// What the lines of both outcomes have in common.
pub(crate) const OUTCOME: &str = " push_wake_se";
