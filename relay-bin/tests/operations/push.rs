//! Push wake within the process: on with a key, counted on the page, and no reason to wait at a stop.

use std::time::Duration;

use futures_util::SinkExt;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use relay_bin::config::{Environment, Secret};
use relay_bin::exit::Exit;
use tokio::net::TcpListener;

use crate::harness::{Relay, free_addr};
use crate::http::get;
use crate::peers::binary;

/// An environment with a key made here, whose tokens are to be had from this port of this machine.
pub(crate) fn environment(google: u16) -> Environment {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let credentials = serde_json::json!({
        "type": "service_account",
        "client_email": "MARKER@example.com",
        "private_key": key.serialize_pem(),
        "token_uri": format!("http://127.0.0.1:{google}/token"),
    });
    let credentials = std::ffi::OsString::from(credentials.to_string());
    Environment {
        fcm_credentials: Some(Secret::from(credentials)),
        ..Environment::default()
    }
}

#[tokio::test]
async fn o14_o63_a_wake_under_way_does_not_hold_up_a_stop() {
    // Takes connections and never answers.
    let google = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let environment = environment(google.local_addr().unwrap().port());
    let (addr, metrics) = (free_addr(), free_addr());
    let args = vec![
        format!("--insecure-listen={addr}"),
        format!("--metrics-listen={metrics}"),
    ];
    let relay = Relay::start_with(environment, addr, metrics, args).await;
    for outcome in [
        "sent",
        "unregistered",
        "send_failed",
        "token_fetch_failed",
        "dropped",
    ] {
        let series = format!("pyrycode_relay_push_wakes_total{{outcome=\"{outcome}\"}}");
        assert_eq!(relay.metric(&series).await, 0.0);
    }
    let mut binary = binary(addr, "s").await;
    let wake = r#"{"push_wake":{"platform":"fcm","token":"MARKER"}}"#;
    binary.send(wake.into()).await.unwrap();
    relay
        .metric_becomes("pyrycode_relay_push_in_flight", 1.0)
        .await;
    assert!(!get(metrics, "/metrics").await.body.contains("MARKER"));
    drop(binary);
    relay.stop().await;
    let exit = tokio::time::timeout(Duration::from_secs(5), relay.exit()).await;
    assert_eq!(exit.unwrap(), Exit::Ok);
}
