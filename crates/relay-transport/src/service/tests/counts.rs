//! What a relay counts, as an embedder reads it, and that slots come back when a grace window has ended.

use super::*;

#[tokio::test(start_paused = true)]
async fn o44_grace_gives_every_slot_back() {
    let config = Config::default().max_connections(2);
    let mut relay = Relay::with(Limits::default(), config);
    let mut binary = relay.upgrade(server("6f1c")).await;
    let mut phone = relay.upgrade(phone("6f1c")).await;
    assert_eq!(relay.service.stats().connections, 2);
    let (status, _) = relay.dial(server("other")).await;
    assert_eq!(status, 503);
    binary.send(close(1000, "")).await;
    assert_eq!(binary.recv().await, Frame::close(1000, ""));
    drop(binary);
    assert_eq!(phone.recv_alive().await, Frame::close(1000, ""));
    drop(phone);
    eventually(|| relay.service.stats().connections == 0).await;
    let stats = relay.service.stats();
    assert_eq!(stats.binary_upgrades.accepted, 1);
    assert_eq!(stats.binary_upgrades.at_capacity, 1);
    assert_eq!(stats.phone_upgrades.accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn a_takeover_is_a_probe_and_an_accept() {
    let mut relay = Relay::new();
    let mut silent = relay.upgrade(server("6f1c")).await;
    let mut claimant = relay.upgrade(server("6f1c")).await;
    claimant.send(ping("in")).await;
    assert_eq!(claimant.recv_alive().await, Frame::Pong(b"in".to_vec()));
    let stats = relay.service.stats();
    assert_eq!((stats.probes, stats.takeovers), (1, 1));
    assert_eq!(stats.binary_upgrades.accepted, 2);
    assert_eq!(stats.binary_upgrades.server_in_use, 0);
    drop(silent.recv_alive().await);
}

#[tokio::test]
async fn a_host_that_the_gate_does_not_admit_is_421_on_every_path() {
    let service = ServerBuilder::new(Registry::new(Limits::default()))
        .host_gate(|host| host == "ours:8443")
        .into_service();
    for (host, status) in [("ours:8443", 404), ("ours", 421), ("", 421)] {
        let request = http::Request::get("/").header("host", host).body(());
        let answer = service.respond(request.unwrap(), ([192, 0, 2, 1], 1).into());
        assert_eq!(answer.status(), status, "{host:?}");
    }
    let stats = service.stats();
    assert_eq!(stats.phone_upgrades, crate::Upgrades::default());
}
