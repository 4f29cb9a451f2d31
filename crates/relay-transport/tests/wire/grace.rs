//! A binary has left: what its phones see, and who may come next.

use relay_core::Limits;
use relay_transport::Config;
use tracing::Level;

use crate::support::envelope::conn_id;
use crate::support::{NEVER, Relay, Request, deliver, log, millis, notice, routed};

const RECLAIMED: &str = "binary reclaimed server-id";

async fn with_grace(grace: std::time::Duration) -> Relay {
    let config = Config::default()
        .probe_timeout(NEVER)
        .probe_timeout_same_host(NEVER);
    Relay::with(config, Limits::default().grace(grace)).await
}

#[tokio::test]
async fn c34_a_reclaim_evicts_the_phones_of_the_leg_before() {
    let relay = with_grace(NEVER).await;
    let (binary, mut phone, _) = relay.pair("c34").await;
    binary.close(1000, "").await;
    let stats = relay.registry.stats();
    assert_eq!((stats.connected_binaries, stats.connected_phones), (0, 1));
    let healthz = relay.ask(Request::bare("GET", "/healthz")).await;
    let counts = r#""connected_binaries":0,"connected_phones":1"#;
    assert!(healthz.body.contains(counts), "{}", healthz.body);
    // Still open.
    phone.settle().await;

    let mut back = relay.binary("c34").await;
    phone.expect_close(4404, RECLAIMED).await;
    let mut phone = relay.dial(Request::phone("c34")).await;
    phone.send_text("1").await;
    let first = back.text().await;
    assert_eq!(first, routed(&conn_id(&first), "1"));
    back.send_text(deliver(&conn_id(&first), "2")).await;
    assert_eq!(phone.text().await, "2");
}

#[tokio::test]
async fn c35_a_phone_may_come_during_grace_but_not_talk() {
    let relay = with_grace(NEVER).await;
    relay.binary("c35").await.close(1000, "").await;
    let mut phone = relay.phone("c35").await;
    phone.send_text("1").await;
    phone.expect_close(1000, "").await;
    let line = log::event("c35", "phone_forwarder_send_failed").await;
    assert_eq!(line.level, Level::INFO);
    assert_eq!(line.keys(), ["server_id", "conn_id", "err"]);
    let line = log::event("c35", "phone_close_notice_send_failed").await;
    assert_eq!(line.keys(), ["server_id", "conn_id", "close_code", "err"]);
}

#[tokio::test]
async fn c36_when_grace_ends_phones_are_closed_and_the_server_id_is_free() {
    let relay = with_grace(millis(200)).await;
    let (binary, idle, _) = relay.pair("c36").await;
    binary.close(1000, "").await;
    idle.expect_close(1000, "").await;
    let stats = relay.registry.stats();
    assert_eq!((stats.grace_expiries, stats.connected_phones), (1, 0));
    let late = relay.dial(Request::phone("c36")).await;
    late.expect_close(4404, "no server with that id").await;
    let mut back = relay.binary("c36").await;
    let (phone, id) = relay.known_phone("c36", &mut back).await;
    phone.close(1000, "").await;
    assert_eq!(back.text().await, notice(&id, 1000));
}

#[tokio::test]
async fn phones_that_leave_in_grace_owe_the_next_binary_nothing() {
    let relay = with_grace(NEVER).await;
    let (binary, phone, _) = relay.pair("leave").await;
    binary.close(1000, "").await;
    phone.close(4999, "").await;
    log::event("leave", "phone_close_notice_send_failed").await;
    let mut back = relay.binary("leave").await;
    let (phone, id) = relay.known_phone("leave", &mut back).await;
    phone.close(1000, "").await;
    assert_eq!(back.text().await, notice(&id, 1000));
}
