//! TLS with certificates from files: the gates, reloads, a peer from its handshake to the drain.

use std::fs;
use std::net::SocketAddr;

use rcgen::date_time_ymd;
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::executable::Executable;
use crate::harness::{PATIENCE, Relay, exit_of, free_addr};
use crate::peers::close_code_of;
use crate::scratch::Scratch;
use crate::tls_peers::{
    DOMAIN, Issued, answer_to, ask, binary, client_hello, connect, handshake, issue, issue_for,
};

fn args(scratch: &Scratch, issued: &Issued, addr: SocketAddr, metrics: SocketAddr) -> Vec<String> {
    let mut args = issued.write(scratch).to_vec();
    args.push(format!("--https-listen={addr}"));
    args.push(format!("--metrics-listen={metrics}"));
    args
}

pub(crate) async fn start(scratch: &Scratch, issued: &Issued, flags: &[&str]) -> Relay {
    let (addr, metrics) = (free_addr(), free_addr());
    let mut args = args(scratch, issued, addr, metrics);
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    Relay::start_when_bound(Environment::default(), addr, metrics, args).await
}

/// A ClientHello that lacks nothing but the version: SNI, signature_algorithms, supported_groups, a suite of ours.
fn tls_1_1_hello() -> Vec<u8> {
    let mut extensions = vec![0, 0, 0, 22, 0, 20, 0, 0, 17];
    extensions.extend_from_slice(DOMAIN.as_bytes());
    extensions.extend_from_slice(&[0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23]);
    let mut body = vec![3, 2];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(&extensions);
    let length = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length], &body[..]].concat()
}

/// One alert record and the end: no HTTP.
#[track_caller]
fn assert_is_fatal_alert(answer: &[u8], what: &str) {
    assert!(
        matches!(answer, [0x15, 3, _, 0, 2, 2, _]),
        "{what}: {answer:?}"
    );
}

#[tokio::test]
async fn o24_tls_1_2_and_1_3_speak_http_1_1_and_tls_1_1_gets_an_alert() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut config = issued.client_of(&[version]);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = connect(relay.addr, config, DOMAIN).await;
        let agreed = tls.get_ref().1;
        assert_eq!(agreed.protocol_version(), Some(expected));
        assert_eq!(agreed.alpn_protocol(), Some(&b"http/1.1"[..]));
        let answer = crate::http::ask(tls, DOMAIN, "/healthz").await;
        assert_eq!(answer.status, 200);
    }
    let answer = answer_to(relay.addr, &tls_1_1_hello()).await;
    assert_is_fatal_alert(&answer, "TLS 1.1");
}

#[tokio::test]
async fn o25_a_name_that_is_not_ours_or_none_gets_an_alert_and_no_http() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    for version in [&TLS12, &TLS13] {
        // For an address no SNI is sent.
        for name in ["other.example.com", "example.com", "relay", "127.0.0.1"] {
            let hello = client_hello(issued.client_of(&[version]), name);
            let answer = answer_to(relay.addr, &hello).await;
            assert_is_fatal_alert(&answer, name);
        }
    }
    relay
        .metric_becomes(
            "pyrycode_relay_handshake_failures_total{stage=\"accept\"}",
            8.0,
        )
        .await;
    let series = format!("pyrycode_relay_certificate_not_after_seconds{{domain=\"{DOMAIN}\"}}");
    assert!(relay.metric(&series).await > 1.7e9);
}

#[tokio::test]
async fn o26_another_host_gets_421_on_every_path_and_costs_no_token() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &["--rate-limit-burst=1"]).await;
    for host in [
        "other.example.com",
        "relay.example.com.evil.com",
        "relay.example.com.",
        "",
    ] {
        for path in ["/healthz", "/readyz", "/v1/server", "/v1/client", "/"] {
            let answer = ask(relay.addr, &issued, host, path).await;
            assert_eq!(answer.status, 421, "{host:?} {path}");
            assert_eq!(answer.body, "", "{host:?} {path}");
        }
    }
    for (host, path, status) in [
        (DOMAIN, "/healthz", 200),
        ("RELAY.example.com:8443", "/healthz", 200),
        // The one token is still there.
        (DOMAIN, "/v1/server", 400),
        (DOMAIN, "/v1/server", 429),
    ] {
        let answer = ask(relay.addr, &issued, host, path).await;
        assert_eq!(answer.status, status, "{host:?} {path}");
    }
}

#[tokio::test]
async fn o29_plain_http_is_told_so() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    let answer = crate::http::get(relay.addr, "/healthz").await;
    assert!(answer.head.starts_with("HTTP/1.0 400"), "{}", answer.head);
}

#[tokio::test]
async fn a_peer_over_tls_is_served_and_drained() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    let tls = connect(relay.addr, issued.client(), DOMAIN).await;
    let peer = binary(tls, DOMAIN, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    relay.stop().await;
    assert_eq!(close_code_of(peer).await, 1001);
    assert_eq!(relay.exit().await, Exit::Ok);
}

/// Waits until a client that trusts only this certificate gets through.
async fn is_served(addr: SocketAddr, config: ClientConfig) {
    let mut tries = interval(std::time::Duration::from_millis(50));
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let served = async {
        loop {
            let tcp = TcpStream::connect(addr).await.unwrap();
            if handshake(tcp, config.clone(), DOMAIN).await.is_ok() {
                return;
            }
            tries.tick().await;
        }
    };
    timeout(PATIENCE, served).await.expect("it is served");
}

/// The executable and its real signal. Files that nobody touched are loaded again, which only a hangup does: looking at
/// them would find nothing new.
#[tokio::test]
async fn a_hangup_reloads_the_files() {
    const LOADED: &[&str] = &["level=INFO", "msg=\"certificate loaded\""];
    let (scratch, first, second) = (Scratch::new(), issue(), issue());
    let (addr, metrics) = (free_addr(), free_addr());
    let args = args(&scratch, &first, addr, metrics);
    let relay = Executable::start_from((addr, metrics), &args).await;
    for times in [1, 2] {
        relay.signal(rustix::process::Signal::HUP);
        relay.logged_times(times, LOADED).await;
    }
    second.write(&scratch);
    relay.signal(rustix::process::Signal::HUP);
    is_served(addr, second.client()).await;
    relay.stop().await;
}

/// The executable and its real signal, for the refusal is told in the log.
#[tokio::test]
async fn files_that_do_not_fit_or_are_over_are_told_and_the_ones_before_stay() {
    const KEPT: &str = "msg=\"certificate not loaded, the one before stays\"";
    let (scratch, first, second) = (Scratch::new(), issue(), issue());
    let (addr, metrics) = (free_addr(), free_addr());
    let args = args(&scratch, &first, addr, metrics);
    let relay = Executable::start_from((addr, metrics), &args).await;
    let expired = issue_for(DOMAIN, |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let early = issue_for(DOMAIN, |params| {
        params.not_before = date_time_ymd(3000, 1, 1);
    });
    let misfit = Issued {
        chain: second.chain.clone(),
        key: first.key.clone(),
    };
    for (files, reason) in [
        (misfit, "does not belong to its first certificate"),
        (expired, "has expired"),
        (early, "is not valid yet"),
    ] {
        files.write(&scratch);
        // Whoever looks by the clock tells once of each change, and these are two: the third is told by a hangup alone.
        for times in 1..=3 {
            relay.signal(rustix::process::Signal::HUP);
            let told = ["level=WARN", KEPT, reason];
            relay.logged_times(times, &told).await;
        }
        let answer = ask(addr, &first, DOMAIN, "/healthz").await;
        assert_eq!(answer.status, 200, "{reason}");
    }
    relay.stop().await;
}

#[tokio::test]
async fn files_that_change_are_loaded_without_a_signal() {
    let (scratch, first, second) = (Scratch::new(), issue(), issue());
    let relay = start(&scratch, &first, &[]).await;
    second.write(&scratch);
    is_served(relay.addr, second.client()).await;
}

#[tokio::test]
async fn files_that_cannot_be_served_exit_1() {
    let (scratch, issued) = (Scratch::new(), issue());
    let [chain, key] = issued.write(&scratch);
    fs::write(scratch.path().join("chain.pem"), "nothing").unwrap();
    let listen = format!("--https-listen={}", free_addr());
    let args = [&*chain, &*key, &*listen, "--metrics-listen="];
    assert_eq!(exit_of(Environment::default(), &args).await, Exit::Failure);
}
