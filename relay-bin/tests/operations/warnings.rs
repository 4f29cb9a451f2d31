//! What the executable warns its operator of: a wish granted in part, a risk that was asked for, a shortage.

use serde_json::Value;
use tokio::net::TcpStream;

use crate::executable::Executable;

const JSON: &str = "--log-format=json";

/// Its level, and its keys beside level, event and time, sorted.
fn shape(record: &Value) -> (&str, Vec<&str>) {
    let keys = record.as_object().unwrap().keys().map(String::as_str);
    let mut keys: Vec<_> = keys
        .filter(|key| !matches!(*key, "level" | "msg" | "time"))
        .collect();
    keys.sort_unstable();
    (record["level"].as_str().unwrap(), keys)
}

#[tokio::test]
async fn connections_are_lowered_to_what_the_open_file_limit_allows() {
    let relay = Executable::start_with_files(1024, &[JSON]).await;
    let lowered = "max connections lowered to what the open-file limit allows";
    let told = relay.wait_for(&[lowered], 1).await;
    assert_eq!(shape(&told[0]), ("WARN", vec!["fix", "from", "to"]));
    // 1024 without the 256 that are kept free.
    assert_eq!(
        (&told[0]["from"], &told[0]["to"]),
        (&10_000.into(), &768.into())
    );
    assert!(told[0]["fix"].as_str().unwrap().contains("RLIMIT_NOFILE"));
    let limit = relay.metric("pyrycode_relay_connections_limit").await;
    assert_eq!(limit, 768.0);
    relay.stop().await;
}

#[tokio::test]
async fn who_believes_every_forwarded_address_is_warned() {
    let warned = "any client can evade the rate limit: --trust-x-forwarded-for believes everyone";
    let relay = Executable::start(&[], &[JSON, "--trust-x-forwarded-for"]).await;
    let told = relay.wait_for(&[warned], 1).await;
    assert_eq!(shape(&told[0]), ("WARN", vec!["fix"]));
    assert!(told[0]["fix"].as_str().unwrap().contains("--trusted-proxy"));
    relay.stop().await;

    let relay = Executable::start(&[], &[JSON]).await;
    let log = relay.stop().await.join("\n");
    assert!(!log.contains("x-forwarded-for"), "{log}");
}

#[tokio::test]
async fn a_shortage_of_descriptors_is_told_and_so_is_its_end() {
    let relay = Executable::start_with_files(64, &[JSON]).await;
    let mut connections = Vec::new();
    // The kernel takes in what the relay has no descriptors for.
    for _ in 0..100 {
        connections.push(TcpStream::connect(relay.addr).await.unwrap());
    }
    let told = relay.wait_for(&["accept_failed"], 1).await;
    assert_eq!(shape(&told[0]), ("ERROR", vec!["err"]));
    assert!(!told[0]["err"].as_str().unwrap().is_empty());
    drop(connections);
    let told = relay.wait_for(&["accept_recovered"], 1).await;
    assert_eq!(shape(&told[0]), ("INFO", vec![]));
    let ends = relay.events(&["accept_failed", "accept_recovered"]);
    assert_eq!(ends[0]["msg"], "accept_failed");
    assert_eq!(ends[1]["msg"], "accept_recovered");
    let errors = "pyrycode_relay_accept_errors_total";
    assert!(relay.metric(errors).await >= 1.0);
    relay.stop().await;
}
