//! What an operator may rely on.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use relay_tls::{CertificateState, Issuer};
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::authority::{Options, is_installed};
use crate::relay::now;
use crate::stage::Stage;

const FIRST: &str = "relay.example.test";
const SECOND: &str = "other.example.test";

fn short_lived() -> Options {
    Options {
        validity_seconds: 6,
        ..Options::default()
    }
}

fn not_after(states: &[CertificateState]) -> u64 {
    states[0].not_after_seconds.unwrap_or_default()
}

#[tokio::test]
async fn an_empty_cache_is_filled_over_http_01() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set(Options::default()).await;
    let relay = stage.relay(&[FIRST, SECOND]).await;
    relay.served().await;
    let root = stage.authority.root().await;
    for domain in [FIRST, SECOND] {
        for version in [&TLS12, &TLS13] {
            relay
                .connect(domain, &root, version)
                .await
                .unwrap()
                .echo()
                .await;
        }
    }
    assert!(
        relay
            .connect("third.example.test", &root, &TLS13)
            .await
            .is_err()
    );
    assert!(
        relay
            .states()
            .iter()
            .all(|state| state.last_error.is_none()),
        "{:?}",
        relay.states()
    );

    let cache = stage.cache();
    let stored = || {
        [FIRST, SECOND]
            .iter()
            .all(|name| cache.path().join(name).exists())
    };
    // Stored right after it is served; a state changes then.
    relay.wait_for(|_| stored()).await;
    for name in [FIRST, SECOND, "acme_account.json"] {
        let mode = std::fs::metadata(cache.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(stage.account()["email"], "ops@example.test");
}

#[tokio::test]
async fn a_restart_uses_the_cache_and_asks_nobody() {
    if !is_installed() {
        return;
    }
    let mut stage = Stage::set(Options::default()).await;
    let relay = stage.relay(&[FIRST]).await;
    let cache = stage.cache();
    relay.wait_for(|_| cache.path().join(FIRST).exists()).await;
    let before = relay.states();
    let root = stage.authority.root().await;
    drop(relay);
    stage.authority.stop();
    let asked = stage.gateway.connections();
    assert!(asked > 0);

    let relay = stage.relay(&[FIRST]).await;
    assert_eq!(relay.states(), before);
    relay
        .connect(FIRST, &root, &TLS13)
        .await
        .unwrap()
        .echo()
        .await;
    drop(relay);
    // All the while that a wrong question would need.
    let issuer = Issuer::new(stage.config(&[FIRST]), stage.cache(), now()).unwrap();
    assert!(
        timeout(Duration::from_millis(500), issuer.run())
            .await
            .is_err()
    );
    assert_eq!(stage.gateway.connections(), asked);
}

#[tokio::test]
async fn a_short_lived_certificate_is_renewed_while_a_connection_stays_up() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set(short_lived()).await;
    let relay = stage.relay(&[FIRST]).await;
    relay.served().await;
    let root = stage.authority.root().await;
    let mut early = relay.connect(FIRST, &root, &TLS13).await.unwrap();
    let mut last = early.leaf().to_vec();
    for _ in 0..2 {
        let before = not_after(&relay.states());
        relay.wait_for(|states| not_after(states) > before).await;
        early.echo().await;
        let mut late = relay.connect(FIRST, &root, &TLS13).await.unwrap();
        late.echo().await;
        assert_ne!(late.leaf(), last);
        last = late.leaf().to_vec();
    }
}

#[tokio::test]
async fn half_of_the_nonces_rejected_does_no_harm() {
    if !is_installed() {
        return;
    }
    let options = Options {
        rejected_nonces_percent: 50,
        ..short_lived()
    };
    let stage = Stage::set(options).await;
    let relay = stage.relay(&[FIRST]).await;
    relay.served().await;
    let before = not_after(&relay.states());
    relay.wait_for(|states| not_after(states) > before).await;
}

#[tokio::test]
async fn an_authority_that_is_away_at_the_start_is_waited_for() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set(Options::default()).await;
    stage.gateway.set_open(false);
    let relay = stage.relay(&[FIRST]).await;
    relay
        .wait_for(|states| states[0].last_error.is_some())
        .await;
    assert_eq!(relay.states()[0].not_after_seconds, None);
    assert!(
        relay
            .connect(FIRST, &stage.authority.root().await, &TLS13)
            .await
            .is_err()
    );
    stage.gateway.set_open(true);
    relay.served().await;
    relay
        .wait_for(|states| states[0].last_error.is_none())
        .await;
}

#[tokio::test]
async fn an_authority_that_is_away_at_a_renewal_leaves_the_old_certificate_served() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set(Options {
        validity_seconds: 12,
        ..short_lived()
    })
    .await;
    let relay = stage.relay(&[FIRST]).await;
    relay.served().await;
    let root = stage.authority.root().await;
    let before = not_after(&relay.states());
    stage.gateway.set_open(false);
    relay
        .wait_for(|states| states[0].last_error.is_some())
        .await;
    relay
        .connect(FIRST, &root, &TLS13)
        .await
        .unwrap()
        .echo()
        .await;
    stage.gateway.set_open(true);
    relay
        .wait_for(|states| not_after(states) > before && states[0].last_error.is_none())
        .await;
    relay
        .connect(FIRST, &root, &TLS13)
        .await
        .unwrap()
        .echo()
        .await;
}

#[tokio::test]
async fn an_authority_that_forgot_the_account_gets_a_new_one() {
    if !is_installed() {
        return;
    }
    let mut stage = Stage::set(short_lived()).await;
    let relay = stage.relay(&[FIRST]).await;
    relay.served().await;
    let (before, account) = (not_after(&relay.states()), stage.account());
    stage.authority.stop();
    stage.authority.resume().await;
    relay
        .wait_for(|states| not_after(states) > before && states[0].last_error.is_none())
        .await;
    assert_ne!(
        stage.account()["credentials"]["key_pkcs8"],
        account["credentials"]["key_pkcs8"]
    );

    // Also one that was forgotten while we were not running.
    drop(relay);
    let account = stage.account();
    stage.authority.stop();
    stage.authority.resume().await;
    let relay = stage.relay(&[SECOND]).await;
    relay.served().await;
    assert_ne!(
        stage.account()["credentials"]["key_pkcs8"],
        account["credentials"]["key_pkcs8"]
    );
}

/// Puts our account's key where an earlier relay kept its own, in its form, and forgets the account otherwise.
fn make_legacy(stage: &Stage) -> String {
    let account = stage.account();
    let pkcs8 = account["credentials"]["key_pkcs8"].as_str().unwrap();
    let pkcs8 = BASE64_URL_SAFE_NO_PAD.decode(pkcs8).unwrap();
    // The ECPrivateKey is the last of it: 107 bytes and their head, as of every P-256 key with its public half.
    let sec1 = BASE64_STANDARD.encode(&pkcs8[pkcs8.len() - 109..]);
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n");
    let cache = stage.cache();
    std::fs::write(cache.path().join("acme_account+key"), pem).unwrap();
    std::fs::remove_file(cache.path().join("acme_account.json")).unwrap();
    account["credentials"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_earlier_relays_account_is_taken_over_where_it_is_known() {
    if !is_installed() {
        return;
    }
    let mut stage = Stage::set(Options::default()).await;
    stage.relay(&[FIRST]).await.served().await;
    let known = make_legacy(&stage);
    stage.relay(&[SECOND]).await.served().await;
    assert_eq!(stage.account()["credentials"]["id"], known);

    let known = make_legacy(&stage);
    stage.authority.stop();
    stage.authority.resume().await;
    stage.relay(&["third.example.test"]).await.served().await;
    assert_ne!(stage.account()["credentials"]["id"], known);
}

#[tokio::test]
async fn a_challenge_that_cannot_be_fetched_is_told_and_tried_again() {
    if !is_installed() {
        return;
    }
    let mut stage = Stage::set(Options::default()).await;
    // The authority's port 80 is this listener; a relay that answers elsewhere cannot prove anything.
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port_80 = std::mem::replace(&mut stage.http, Arc::new(elsewhere));
    let address = port_80.local_addr().unwrap();
    drop(port_80);
    let relay = stage.relay(&[FIRST]).await;
    relay
        .wait_for(|states| states[0].last_error.is_some())
        .await;
    let error = relay.states()[0].last_error.clone().unwrap();
    assert!(error.contains(": connection: "), "{error}");
    drop(relay);

    stage.http = Arc::new(TcpListener::bind(address).await.unwrap());
    stage.relay(&[FIRST]).await.served().await;
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_told_and_the_certificate_served() {
    if !is_installed() {
        return;
    }
    let stage = Stage::set(Options::default()).await;
    // Neither can be replaced by a file, not even by root.
    for name in [FIRST, "acme_account.json"] {
        std::fs::create_dir(stage.cache().path().join(name)).unwrap();
    }
    let relay = stage.relay(&[FIRST]).await;
    relay
        .wait_for(|states| {
            let error = states[0].last_error.as_deref().unwrap_or_default();
            states[0].not_after_seconds.is_some() && error.starts_with("cache: ")
        })
        .await;
    let root = stage.authority.root().await;
    relay
        .connect(FIRST, &root, &TLS13)
        .await
        .unwrap()
        .echo()
        .await;

    // The disk is there again: what was issued is kept without another order.
    let asked = stage.gateway.connections();
    std::fs::remove_dir(stage.cache().path().join(FIRST)).unwrap();
    relay
        .wait_for(|states| states[0].last_error.is_none())
        .await;
    assert!(stage.cache().path().join(FIRST).is_file());
    assert_eq!(stage.gateway.connections(), asked);
}
