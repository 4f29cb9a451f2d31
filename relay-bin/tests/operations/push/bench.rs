//! The executable between daemons and a Google made up.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::executable::Executable;
use crate::google::Google;
use crate::key;
use crate::peers::{Peer, binary};

/// The two lines that tell how a wake ended.
pub(super) const OUTCOMES: &[&str] = &["push_wake_sent", "push_wake_send_failed"];
/// The one line that tells of a request that was not taken.
pub(super) const DROPPED: &str = "binary_forwarder_push_wake_dropped";

pub(super) struct Bench {
    pub(super) google: Google,
    pub(super) relay: Executable,
}

impl Bench {
    pub(super) async fn start() -> Self {
        let google = Google::start().await;
        let environment = [
            ("PYRYCODE_RELAY_FCM_CREDENTIALS", &*credentials(&google)),
            ("PYRYCODE_RELAY_FCM_ENDPOINT", &*google.url()),
        ];
        let relay = Executable::start(&environment, &["--log-format=json"]).await;
        Self { google, relay }
    }

    pub(super) async fn binary(&self, server_id: &str) -> Peer {
        binary(self.relay.addr, server_id).await
    }

    /// One wake, asked for by a daemon of its own, and the record of its outcome, which is the `nth` of all.
    pub(super) async fn outcome(&self, token: &str, nth: usize) -> Value {
        let mut binary = self.binary(&format!("server-{nth}")).await;
        wake(&mut binary, token).await;
        let outcomes = self.relay.wait_for(OUTCOMES, nth).await;
        assert_eq!(outcomes.len(), nth, "one each: {outcomes:#?}");
        outcomes[nth - 1].clone()
    }

    /// `sent`, `unregistered`, `send_failed`, `token_fetch_failed`, `dropped`.
    pub(super) async fn counts(&self) -> [f64; 5] {
        let mut counts = [0.0; 5];
        for (count, outcome) in counts.iter_mut().zip(LABELS) {
            *count = self.relay.metric(&series(outcome)).await;
        }
        counts
    }
}

const LABELS: [&str; 5] = [
    "sent",
    "unregistered",
    "send_failed",
    "token_fetch_failed",
    "dropped",
];

pub(super) fn series(outcome: &str) -> String {
    format!("pyrycode_relay_push_wakes_total{{outcome=\"{outcome}\"}}")
}

pub(crate) fn credentials(google: &Google) -> String {
    let mut key = key::key_file();
    key["token_uri"] = json!(format!("{}/token", google.url()));
    key.to_string()
}

pub(super) async fn wake(binary: &mut Peer, token: &str) {
    let request = json!({"push_wake": {"platform": "fcm", "token": token}});
    binary.send(request.to_string().into()).await.unwrap();
}

/// Everything sent before it has been read and handled, and nothing has come back.
pub(super) async fn settle(binary: &mut Peer) {
    binary.send(Message::Ping("x".into())).await.unwrap();
    let answer = binary.next().await.unwrap().unwrap();
    assert_eq!(answer, Message::Pong("x".into()));
}
