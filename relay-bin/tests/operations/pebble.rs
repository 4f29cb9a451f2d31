//! The relay against Let's Encrypt's own test server: from an empty cache to peers over TLS, restarts, renewals, an
//! authority with trouble.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::authority::{Authority, Options, is_installed};
use crate::gateway::Gateway;
use crate::harness::{Relay, free_addr};
use crate::scratch::Scratch;
use crate::tls_peers::{Peer, Tls, binary, connect, phone};
use crate::{ca, http, port};

const DOMAIN: &str = "relay.example.test";

/// A minute of waiting after many refused nonces included.
const PATIENCE: Duration = Duration::from_secs(100);

/// An authority behind a gateway, and a directory for a relay.
struct Stage {
    authority: Authority,
    gateway: Gateway,
    /// Where pebble's DNS says that every name is.
    http: SocketAddr,
    scratch: Scratch,
}

impl Stage {
    async fn set(options: Options) -> Self {
        let scratch = Scratch::new();
        let http = SocketAddr::from(([127, 0, 0, 1], port::free()));
        let authority = Authority::start(scratch.path(), http.port(), options).await;
        let gateway = Gateway::to(authority.port()).await;
        Self {
            authority,
            gateway,
            http,
            scratch,
        }
    }

    fn cached(&self, name: &str) -> PathBuf {
        self.scratch.path().join("certs").join(name)
    }

    async fn relay(&self) -> Relay {
        let (https, metrics) = (free_addr(), free_addr());
        let args = vec![
            format!("--domain={DOMAIN}"),
            format!("--cert-cache={}", self.cached("").display()),
            format!("--acme-directory={}", self.gateway.directory_url()),
            format!("--acme-ca={}", self.authority.ca().display()),
            "--acme-email=ops@example.test".to_owned(),
            format!("--https-listen={https}"),
            format!("--http-listen={}", self.http),
            format!("--metrics-listen={metrics}"),
        ];
        Relay::start_when_bound(Environment::default(), https, metrics, args).await
    }

    /// A handshake, verified against the authority's root as it is now.
    async fn connect(&self, relay: &Relay) -> Tls {
        connect(relay.addr, self.client().await, DOMAIN).await
    }

    async fn client(&self) -> ClientConfig {
        ca::client(&self.authority.root().await, rustls::ALL_VERSIONS)
    }

    async fn peers(&self, relay: &Relay) -> Peers {
        let binary = binary(self.connect(relay).await, DOMAIN, "s").await;
        relay
            .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
            .await;
        let phone = phone(self.connect(relay).await, DOMAIN, "s").await;
        Peers { binary, phone }
    }

    /// Polls until `condition` holds, and fails with pebble's log.
    async fn wait_until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let holds = async {
            while !condition().await {
                ticks.tick().await;
            }
        };
        let in_time = timeout(PATIENCE, holds).await.is_ok();
        assert!(in_time, "{what}: {}", self.authority.log());
    }

    async fn certified(&self, relay: &Relay) {
        let is_certified = async || not_after(relay).await.is_some();
        self.wait_until("no certificate", is_certified).await;
    }
}

/// The end of the certificate that is served, as the metrics page tells it.
async fn not_after(relay: &Relay) -> Option<f64> {
    let series = format!("pyrycode_relay_certificate_not_after_seconds{{domain=\"{DOMAIN}\"}} ");
    let page = http::get(relay.metrics, "/metrics").await.body;
    let sample = page.lines().find_map(|line| line.strip_prefix(&series));
    sample.map(|value| value.parse().unwrap())
}

fn leaf(tls: &Tls) -> CertificateDer<'static> {
    tls.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// A daemon and its phone.
struct Peers {
    binary: Peer,
    phone: Peer,
}

impl Peers {
    /// A frame there and another one back.
    async fn exchange(&mut self) {
        self.phone.send("42".into()).await.unwrap();
        let envelope: serde_json::Value =
            serde_json::from_str(&next(&mut self.binary).await).unwrap();
        assert_eq!(envelope["frame"], 42);
        let conn_id = &envelope["conn_id"];
        let answer = serde_json::json!({ "conn_id": conn_id, "frame": 43 }).to_string();
        self.binary.send(answer.into()).await.unwrap();
        assert_eq!(next(&mut self.phone).await, "43");
    }
}

async fn next(peer: &mut Peer) -> String {
    loop {
        // Pings are answered on the way.
        match peer.next().await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn from_an_empty_cache_to_peers_over_tls_and_a_restart_without_the_authority() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set(Options::default()).await;
    let relay = stage.relay().await;
    // Not waited for: a handshake before the first certificate gets it as soon as it is there.
    drop(stage.connect(&relay).await);
    Box::pin(stage.peers(&relay)).await.exchange().await;
    let is_cached = async || stage.cached(DOMAIN).exists();
    stage.wait_until("not cached", is_cached).await;
    for name in [DOMAIN, "acme_account.json"] {
        let metadata = std::fs::metadata(stage.cached(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let account = std::fs::read_to_string(stage.cached("acme_account.json")).unwrap();
    assert!(account.contains("\"ops@example.test\""));
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);

    let asked = stage.gateway.connections();
    assert!(asked > 0);
    let relay = stage.relay().await;
    Box::pin(stage.peers(&relay)).await.exchange().await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
    assert_eq!(stage.gateway.connections(), asked);
}

#[tokio::test]
async fn half_of_the_nonces_rejected_keeps_nobody_from_a_certificate_or_its_renewal() {
    if !is_installed() {
        return;
    }
    let options = Options {
        validity_seconds: 9,
        rejected_nonces_percent: 50,
    };
    let stage = Stage::set(options).await;
    let relay = stage.relay().await;
    stage.certified(&relay).await;
    let mut peers = Box::pin(stage.peers(&relay)).await;
    let known = leaf(&stage.connect(&relay).await);
    let before = not_after(&relay).await;
    let renewed = async || {
        peers.exchange().await;
        not_after(&relay).await > before
    };
    Box::pin(stage.wait_until("not renewed", renewed)).await;
    peers.exchange().await;
    assert_ne!(leaf(&stage.connect(&relay).await), known);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

/// A client whose clock stands still: what it trusted once, it trusts for ever.
#[derive(Debug)]
struct Stopped(UnixTime);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// Pebble forgets everything when it ends, our account too, and comes back with another root.
#[tokio::test]
async fn an_authority_that_goes_away_and_forgets_us_harms_no_connection() {
    if !is_installed() {
        return;
    }
    let options = Options {
        validity_seconds: 9,
        ..Options::default()
    };
    let mut stage = Stage::set(options).await;
    let relay = stage.relay().await;
    stage.certified(&relay).await;
    let mut peers = Box::pin(stage.peers(&relay)).await;
    let mut client = stage.client().await;

    stage.authority.stop();
    // From here on no renewal changes what is served.
    client.time_provider = Arc::new(Stopped(UnixTime::now()));
    let old = leaf(&connect(relay.addr, client.clone(), DOMAIN).await);
    let before = not_after(&relay).await;
    let asked = stage.gateway.connections();
    // The second attempt tells that the first has failed.
    let has_failed = async || {
        peers.exchange().await;
        stage.gateway.connections() > asked + 1
    };
    Box::pin(stage.wait_until("no attempts", has_failed)).await;
    assert_eq!(leaf(&connect(relay.addr, client, DOMAIN).await), old);
    assert_eq!(not_after(&relay).await, before);
    peers.exchange().await;

    stage.authority.resume().await;
    let renewed = async || {
        peers.exchange().await;
        not_after(&relay).await > before
    };
    Box::pin(stage.wait_until("not renewed", renewed)).await;
    peers.exchange().await;
    assert_ne!(leaf(&stage.connect(&relay).await), old);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}
