//! Connections that begin with a PROXY header, and those that should.

use std::time::Duration;

use relay_core::Limits;
use relay_transport::{Config, ProxyProtocol};

use crate::support::http::Request;
use crate::support::raw::{End, Socket};
use crate::support::relay::Relay;

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n";

async fn relay(proxy_protocol: ProxyProtocol) -> Relay {
    let config = Config::default()
        .proxy_protocol(proxy_protocol)
        .handshake_timeout(Duration::from_millis(300));
    Relay::with(config, Limits::default()).await
}

#[tokio::test]
async fn o32_a_silent_or_dribbling_peer_is_dropped_without_a_byte_while_others_are_served() {
    let relay = relay(ProxyProtocol::FromAnyone).await;
    let mut silent = relay.connect().await;
    let mut dribbling = relay.connect().await;
    dribbling.send_bytes(&HEADER[..20]).await;
    let mut good = relay.connect().await;
    good.send_bytes(HEADER).await;
    let answer = good.ask(&Request::bare("GET", "/healthz")).await;
    assert_eq!(answer.status, 200);
    for peer in [&mut silent, &mut dribbling] {
        let end = peer.next().await;
        assert!(matches!(end, Err(End::Eof | End::Reset)), "{end:?}");
    }
}

#[tokio::test]
async fn a_header_counts_only_from_a_trusted_proxy() {
    let trusted = "127.0.0.7".parse().expect("a block");
    let relay = relay(ProxyProtocol::From(vec![trusted])).await;
    let request = Request::bare("GET", "/healthz");
    let mut stranger = relay.connect().await;
    stranger
        .send_bytes(&[HEADER, &request.bytes()].concat())
        .await;
    let end = stranger.next().await;
    assert!(matches!(end, Err(End::Eof | End::Reset)), "{end:?}");

    let mut proxy = relay.connect_on(Socket::from([127, 0, 0, 7])).await;
    proxy.send_bytes(HEADER).await;
    let answer = proxy.ask(&request).await;
    assert_eq!(answer.status, 200);
}
