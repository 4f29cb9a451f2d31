//! The page as Prometheus's own parser and linter see it.

use std::io;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::harness::Relay;
use crate::http::get;
use crate::peers::binary;

#[tokio::test]
async fn promtool_finds_nothing_to_complain_about() {
    let relay = Relay::start(&[]).await;
    let _binary = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let page = get(relay.metrics, "/metrics").await.body;
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
