//! What is refused before anything is bound, and what fails when it is.

use std::net::{SocketAddr, TcpListener};

use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use tokio::net::TcpStream;

use crate::harness::{Relay, exit_of, free_addr};
use crate::http;

async fn is_bound(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).await.is_ok()
}

/// Refused with exit 2, and the relay's own address was never bound.
async fn check_refused(flags: &[&str]) {
    let addr = free_addr();
    let listen = format!("--insecure-listen={addr}");
    let mut args = vec![listen.as_str(), "--metrics-listen="];
    args.extend(flags);
    let exit = exit_of(Environment::default(), &args).await;
    assert_eq!(exit, Exit::Config, "{flags:?}");
    assert!(!is_bound(addr).await);
}

#[tokio::test]
async fn o01_version_and_help_need_nothing_to_be_right() {
    let broken = || Environment {
        production: Some("perhaps".into()),
        ..Environment::default()
    };
    for args in [&["--version"][..], &["--max-connections=0", "-version"]] {
        assert_eq!(exit_of(broken(), args).await, Exit::Ok);
    }
    assert_eq!(exit_of(broken(), &["-h"]).await, Exit::Ok);
}

#[tokio::test]
async fn o02_o03_o06_o15_o16_bad_command_lines_exit_2() {
    assert_eq!(exit_of(Environment::default(), &[]).await, Exit::Config);
    for flags in [
        &["--bogus"][..],
        &["--max-connections=0"],
        &["--max-connections=-1"],
        &["--max-connections=abc"],
        &["--max-connections-per-ip=-1"],
        &["--rate-limit-per-minute=-1"],
        &["--rate-limit-burst=0"],
        &["--trusted-proxy=example.com"],
        &["--trusted-proxy=10.0.0.0/8", "--trust-x-forwarded-for"],
        &["--metrics-listen=localhost:9090"],
        &["--insecure-listen=:http"],
    ] {
        check_refused(flags).await;
    }
}

#[tokio::test]
async fn o18_a_taken_port_exits_1_and_the_other_is_let_go() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let other = free_addr();
    let busy = [
        [
            format!("--insecure-listen={taken}"),
            format!("--metrics-listen={other}"),
        ],
        [
            format!("--insecure-listen={other}"),
            format!("--metrics-listen={taken}"),
        ],
        [
            format!("--insecure-listen={other}"),
            format!("--metrics-listen={other}"),
        ],
    ];
    for args in &busy {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let exit = exit_of(Environment::default(), &args).await;
        assert_eq!(exit, Exit::Failure, "{args:?}");
        assert!(!is_bound(other).await);
    }
}

#[tokio::test]
async fn o19_two_relays_cannot_share_a_metrics_address() {
    let relay = Relay::start(&[]).await;
    let args = [
        format!("--insecure-listen={}", free_addr()),
        format!("--metrics-listen={}", relay.metrics),
    ];
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    assert_eq!(exit_of(Environment::default(), &args).await, Exit::Failure);
    assert_eq!(http::get(relay.metrics, "/metrics").await.status, 200);
}
