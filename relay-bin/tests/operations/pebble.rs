//! The executable against Let's Encrypt's own test server: from an empty cache to peers over TLS, and a restart without it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::authority::{Authority, Options, is_installed};
use crate::ca;
use crate::harness::{PATIENCE, Relay, free_addr};
use crate::http;
use crate::scratch::Scratch;

const DOMAIN: &str = "relay.example.test";

type Peer = WebSocketStream<TlsStream<TcpStream>>;

async fn start(scratch: &Path, authority: &Authority, http: SocketAddr) -> Relay {
    let (https, metrics) = (free_addr(), free_addr());
    let args = vec![
        format!("--domain={DOMAIN}"),
        format!("--cert-cache={}", scratch.join("certs").display()),
        format!(
            "--acme-directory=https://localhost:{}/dir",
            authority.port()
        ),
        format!("--acme-ca={}", authority.ca().display()),
        format!("--https-listen={https}"),
        format!("--http-listen={http}"),
        format!("--metrics-listen={metrics}"),
    ];
    let relay = Relay::start_when_bound(Environment::default(), https, metrics, args).await;
    let sample = format!("pyrycode_relay_certificate_not_after_seconds{{domain=\"{DOMAIN}\"}}");
    let certified = async {
        while !http::get(metrics, "/metrics").await.body.contains(&sample) {
            tokio::task::yield_now().await;
        }
    };
    let certified = tokio::time::timeout(PATIENCE, certified).await;
    assert!(certified.is_ok(), "no certificate: {}", authority.log());
    relay
}

async fn connect(addr: SocketAddr, root: &[u8], path: &str, own_header: &'static str) -> Peer {
    let config = ca::client(root, rustls::ALL_VERSIONS);
    let tcp = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from(DOMAIN).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    let tls = Box::pin(connecting).await.unwrap();
    let mut request = format!("wss://{DOMAIN}{path}")
        .into_client_request()
        .unwrap();
    for name in ["x-pyrycode-server", own_header, "user-agent"] {
        request.headers_mut().insert(name, "s".parse().unwrap());
    }
    Box::pin(client_async(request, tls)).await.unwrap().0
}

/// A frame from a phone to its binary, all of it over TLS.
async fn exchange(relay: &Relay, root: &[u8]) {
    let mut binary = connect(relay.addr, root, "/v1/server", "x-pyrycode-version").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let mut phone = connect(relay.addr, root, "/v1/client", "x-pyrycode-token").await;
    phone.send("42".into()).await.unwrap();
    let envelope = binary.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(envelope.ends_with(r#","frame":42}"#), "{envelope}");
}

#[tokio::test]
async fn from_an_empty_cache_to_peers_over_tls_and_a_restart_without_the_authority() {
    if !is_installed() {
        return;
    }
    let (scratch, http) = (Scratch::new(), free_addr());
    let options = Options::default();
    let mut authority = Authority::start(scratch.path(), http.port(), options).await;
    let root = authority.root().await;

    let relay = start(scratch.path(), &authority, http).await;
    exchange(&relay, &root).await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);

    authority.stop();
    let relay = start(scratch.path(), &authority, http).await;
    exchange(&relay, &root).await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}
