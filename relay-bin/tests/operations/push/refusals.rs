//! Requests that are none: one line each, no sample moves, the daemon's connection stays.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;

use super::bench::{Bench, DROPPED, OUTCOMES, settle, wake};
use crate::executable::{Executable, events};
use crate::http::get;
use crate::peers::{binary, phone};

#[tokio::test]
async fn o60_what_is_no_request_has_one_line_and_counts_nowhere() {
    let bench = Bench::start().await;
    let mut binary = bench.binary("s").await;
    let refusals = [
        (
            r#"{"platform":"apns","token":"MARKER"}"#,
            "push_wake platform not supported",
        ),
        (r#"{"token":"MARKER"}"#, "push_wake platform not supported"),
        (
            r#"{"platform":"fcm","token":""}"#,
            "push_wake token is empty",
        ),
        ("5", "malformed push_wake"),
        (r#""MARKER""#, "malformed push_wake"),
        (r#"{"platform":"fcm","token":7}"#, "malformed push_wake"),
    ];
    for (nth, (request, expected)) in (1..).zip(refusals) {
        let envelope = format!(r#"{{"push_wake":{request}}}"#);
        binary.send(envelope.into()).await.unwrap();
        let dropped = bench.relay.wait_for(&[DROPPED], nth).await;
        assert_eq!(dropped.len(), nth, "{request}");
        let told = &dropped[nth - 1];
        assert_eq!(told["level"], "WARN");
        assert_eq!(told["server_id"], "s");
        assert!(told["binary_conn_id"].is_string());
        assert_eq!(told["err"], format!("relay: {expected}"), "{request}");
    }
    settle(&mut binary).await;

    let mut phone = phone(bench.relay.addr, "s").await;
    phone.send("1".into()).await.unwrap();
    let text = binary.next().await.unwrap().unwrap().into_text().unwrap();
    let routed: Value = serde_json::from_str(&text).unwrap();
    let conn_id = routed["conn_id"].as_str().unwrap();
    let both = format!(r#"{{"conn_id":"{conn_id}","frame":2,"push_wake":5}}"#);
    binary.send(both.into()).await.unwrap();
    assert_eq!(phone.next().await.unwrap().unwrap(), "2".into());
    settle(&mut binary).await;

    assert_eq!(bench.counts().await, [0.0; 5]);
    // What it has not said by its end, it has not said.
    drop((binary, phone));
    let Bench { google, relay } = bench;
    let log = relay.stop().await;
    assert_eq!(events(&log, &[DROPPED]).len(), refusals.len());
    assert_eq!(events(&log, OUTCOMES).len(), 0);
    assert_eq!(google.asked("").len(), 0, "Google heard nothing");
    assert!(!log.join("\n").contains("MARKER"));
}

#[tokio::test]
async fn o60_without_credentials_a_wake_has_one_line_and_there_are_no_series() {
    let relay = Executable::start(&[], &["--log-format=json"]).await;
    let mut binary = binary(relay.addr, "s").await;
    wake(&mut binary, "MARKER").await;
    settle(&mut binary).await;
    let dropped = relay.wait_for(&[DROPPED], 1).await;
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0]["err"], "relay: push is off");
    let page = get(relay.metrics, "/metrics").await.body;
    assert!(!page.contains("push"), "{page}");
    let off = "push off: PYRYCODE_RELAY_FCM_CREDENTIALS unset";
    assert_eq!(relay.events(&[off]).len(), 1);
}
