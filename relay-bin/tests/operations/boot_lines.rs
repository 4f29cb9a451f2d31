//! What a relay says of itself before it serves.

use std::net::TcpListener;

use futures_util::stream;
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use relay_bin::{Signal, VERSION, run_in};

use crate::harness::{Relay, free_addr};
use crate::http;
use crate::records::capture;
use crate::scratch::Scratch;

#[tokio::test]
async fn o05_plain_http_wins_over_a_domain_and_says_where() {
    let (records, _capture) = capture();
    let (addr, metrics) = (free_addr(), free_addr());
    let args = vec![
        format!("--insecure-listen={addr}"),
        "--domain=relay.example.com".to_owned(),
        "--cert-cache=/nowhere".to_owned(),
        format!("--metrics-listen={metrics}"),
    ];
    let relay = Relay::start_with(Environment::default(), addr, metrics, args).await;
    // No Host gate, and no TLS.
    let answer = http::get(addr, "/healthz").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(&format!("\"version\":\"{VERSION}\"")));
    let starting = records.one("starting");
    assert_eq!(
        starting.shape(),
        ("INFO", vec!["listen", "mode", "version"])
    );
    assert_eq!(starting.text("version"), VERSION);
    assert_eq!(starting.text("mode"), "insecure");
    assert_eq!(starting.text("listen"), addr.to_string());
    let page = records.one("starting metrics listener");
    assert_eq!(page.shape(), ("INFO", vec!["listen"]));
    assert_eq!(page.text("listen"), metrics.to_string());
    let text = records.text();
    let place = |event: &str| text.find(&format!("\"msg\":\"{event}")).unwrap();
    assert!(place("push off") < place("starting"));
    assert!(place("starting metrics listener") < place("listening"));
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o17_without_a_metrics_address_no_line_tells_of_one() {
    let (records, _capture) = capture();
    let addr = free_addr();
    let args = vec![
        format!("--insecure-listen={addr}"),
        "--metrics-listen=".to_owned(),
    ];
    let relay = Relay::start_with(Environment::default(), addr, addr, args).await;
    assert!(records.of("starting metrics listener").is_empty());
    assert_eq!(http::get(addr, "/metrics").await.status, 404);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn with_a_domain_it_says_what_for_and_how_long_an_attempt_took() {
    let (records, _capture) = capture();
    let scratch = Scratch::new();
    let (https, metrics) = (free_addr(), free_addr());
    let args = vec![
        "--domain=relay.example.com".to_owned(),
        format!("--cert-cache={}", scratch.path().display()),
        // Nothing listens there.
        "--acme-directory=https://127.0.0.1:1/dir".to_owned(),
        format!("--https-listen={https}"),
        format!("--http-listen={}", free_addr()),
        format!("--metrics-listen={metrics}"),
    ];
    let relay = Relay::start_when_bound(Environment::default(), https, metrics, args).await;
    let starting = records.one("starting");
    let keys = vec![
        "cert_cache",
        "domain",
        "https_proxy_protocol",
        "listen",
        "mode",
        "version",
    ];
    assert_eq!(starting.shape(), ("INFO", keys));
    assert_eq!(starting.text("mode"), "autocert");
    assert_eq!(starting.text("domain"), "relay.example.com");
    let failed = records.first("certificate not issued").await;
    assert_eq!(failed.shape(), ("WARN", vec!["domain", "duration", "err"]));
    let duration = failed.text("duration").strip_suffix("ms").unwrap();
    let (whole, tenth) = duration.split_once('.').unwrap();
    assert!(
        whole.parse::<u32>().is_ok() && tenth.len() == 1,
        "{duration}"
    );
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o18_a_taken_port_is_told_with_its_address() {
    let (records, _capture) = capture();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let args = ["--insecure-listen", &taken, "--metrics-listen="];
    let exit = crate::harness::exit_of(Environment::default(), &args).await;
    assert_eq!(exit, Exit::Failure);
    let failed = records.one("listener failed");
    assert_eq!(failed.shape(), ("ERROR", vec!["addr", "err"]));
    assert_eq!(failed.text("addr"), taken);
    let draining = records.one("listener error; draining");
    assert_eq!(draining.shape(), ("ERROR", vec![]));
}

/// The port is taken: it would end with 1, had it come to binding it.
#[tokio::test]
async fn a_stop_does_not_wait_for_a_name_to_be_resolved() {
    let (records, _capture) = capture();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let listen = format!("--insecure-listen=localhost:{port}");
    let args = [&*listen, "--metrics-listen="].map(Into::into);
    let signals = stream::iter([Signal::Reload, Signal::Stop]);
    assert_eq!(
        run_in(Environment::default(), args, signals).await,
        Exit::Ok
    );
    assert!(records.of("listener failed").is_empty());
    assert_eq!(records.one("shutdown complete").shape().0, "INFO");
}
