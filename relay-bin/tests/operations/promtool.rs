//! The page as Prometheus's own parser and linter see it.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;

use relay_bin::config::{Environment, Secret};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::{Relay, free_addr};
use crate::http::get;
use crate::peers::binary;
use crate::scratch::Scratch;
use crate::{key, tls_peers};

#[tokio::test]
async fn o49_promtool_finds_nothing_to_complain_about() {
    let relay = Relay::start(&[]).await;
    let _binary = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    check(&get(relay.metrics, "/metrics").await.body).await;
}

#[tokio::test]
async fn o49_promtool_finds_nothing_with_push_and_tls_either() {
    let scratch = Scratch::new();
    let (addr, metrics) = (free_addr(), free_addr());
    let mut args = tls_peers::issue().write(&scratch).to_vec();
    args.push(format!("--https-listen={addr}"));
    args.push(format!("--metrics-listen={metrics}"));
    // Nobody is woken, so nobody is asked for a token.
    let credentials = OsString::from(key::key_file().to_string());
    let environment = Environment {
        fcm_credentials: Some(Secret::from(credentials)),
        ..Environment::default()
    };
    let relay = Relay::start_when_bound(environment, addr, metrics, args).await;
    let page = get(relay.metrics, "/metrics").await.body;
    for family in [
        "pyrycode_relay_push_wakes_total{",
        "pyrycode_relay_certificate_not_after_seconds{",
    ] {
        assert!(page.contains(family), "{family}");
    }
    check(&page).await;
}

#[expect(clippy::print_stdout, reason = "tells why a test was skipped")]
async fn check(page: &str) {
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match spawned {
        Ok(promtool) => promtool,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let missing = "promtool is not installed (Debian package prometheus)";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            println!("skipped: {missing}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).await.unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().await.unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    assert!(output.status.success() && told.is_empty(), "{told}\n{page}");
}
