//! A close is readable also when the peer has more under way than anybody will ever want to read: nothing is reset,
//! whatever WebSocket stack the peer is on.

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::Client;
use crate::support::envelope::conn_id;
use crate::support::frame::CLOSE;
use crate::support::{Frame, RawPeer, Relay, Request, directive, log, patiently};

/// Sends two megabytes that the relay has no use for any more, then reads the close.
async fn closed_behind_a_flood(mut peer: Client) -> (u16, String) {
    let message = format!(r#""{}""#, "f".repeat(20_000));
    for _ in 0..100 {
        let sent = peer.socket.feed(Message::text(message.clone())).await;
        sent.expect("a relay that reads on");
    }
    let flushed = patiently("the flood", peer.socket.flush()).await;
    flushed.expect("a relay that reads on");
    patiently("the close", peer.closed()).await
}

#[tokio::test]
async fn a_refused_phone_reads_4404() {
    let relay = Relay::start().await;
    let phone = Client::phone(relay.addr, "foreign-none").await;
    let expected = (4404, "no server with that id".to_owned());
    assert_eq!(closed_behind_a_flood(phone).await, expected);
}

#[tokio::test]
async fn a_phone_under_a_directive_reads_its_code() {
    let relay = Relay::start().await;
    let mut binary = Client::binary(relay.addr, "foreign").await;
    binary.settle().await;
    let mut phone = Client::phone(relay.addr, "foreign").await;
    phone.send("1".to_owned()).await;
    let id = conn_id(&binary.text().await);
    binary.send(directive(&id, 4401)).await;
    assert_eq!(closed_behind_a_flood(phone).await, (4401, String::new()));
    log::event("foreign", "binary_forwarder_phone_closed").await;
}

#[tokio::test]
async fn an_evicted_phone_reads_4404() {
    let relay = Relay::start().await;
    let mut binary = Client::binary(relay.addr, "foreign-evicted").await;
    binary.settle().await;
    let mut phone = Client::phone(relay.addr, "foreign-evicted").await;
    phone.settle().await;
    binary.socket.close(None).await.expect("an open connection");
    drop(binary);
    log::event("foreign-evicted", "server_released").await;
    let mut successor = Client::binary(relay.addr, "foreign-evicted").await;
    successor.settle().await;
    let expected = (4404, "binary reclaimed server-id".to_owned());
    assert_eq!(closed_behind_a_flood(phone).await, expected);
}

#[tokio::test]
async fn a_message_over_the_limit_reads_1009() {
    let relay = Relay::start().await;
    let mut binary = Client::binary(relay.addr, "foreign-big").await;
    binary.settle().await;
    let mut phone = Client::phone(relay.addr, "foreign-big").await;
    phone.send("b".repeat(300_000)).await;
    let (code, _diagnostic) = closed_behind_a_flood(phone).await;
    assert_eq!(code, 1009);
}

/// The same with a peer that notices a reset, as its kernel would on other systems by losing the close frame.
async fn reads_behind_a_flood(mut peer: RawPeer, code: u16) {
    let message = Frame::text(format!(r#""{}""#, "f".repeat(20_000))).masked();
    peer.send_bytes(&message.repeat(100)).await;
    peer.expect_code(code).await;
}

#[tokio::test]
async fn no_close_of_the_relay_is_overtaken_by_a_reset() {
    let relay = Relay::start().await;
    let refused = relay.dial(Request::phone("flood-none")).await;
    reads_behind_a_flood(refused, 4404).await;

    let mut binary = relay.binary("flood").await;
    let (phone, id) = relay.known_phone("flood", &mut binary).await;
    binary.send_text(directive(&id, 4401)).await;
    binary.settle().await;
    reads_behind_a_flood(phone, 4401).await;

    let mut phone = relay.phone("flood").await;
    phone.send_text("not JSON").await;
    reads_behind_a_flood(phone, 1000).await;

    let mut phone = relay.phone("flood").await;
    phone.send(Frame::new(CLOSE, [3])).await;
    reads_behind_a_flood(phone, 1002).await;
}
