//! What is refused before anything is bound, and what fails when it is.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};

use relay_bin::boot::capabilities::{Capabilities, CapabilityMask};
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use tokio::net::TcpStream;

use crate::harness::{Relay, exit_of, free_addr};
use crate::http;

async fn is_bound(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).await.is_ok()
}

fn env(change: impl FnOnce(&mut Environment)) -> Environment {
    let mut environment = Environment::default();
    change(&mut environment);
    environment
}

fn set(value: &str) -> Option<OsString> {
    Some(value.into())
}

/// Refused with exit 2, and the relay's own address was never bound.
async fn check_refused(environment: Environment, flags: &[&str]) {
    let addr = free_addr();
    let listen = format!("--insecure-listen={addr}");
    let mut args = vec![listen.as_str(), "--metrics-listen="];
    args.extend(flags);
    let exit = exit_of(environment, &args).await;
    assert_eq!(exit, Exit::Config, "{flags:?}");
    assert!(!is_bound(addr).await);
}

/// Boots, and serves.
async fn check_boots(environment: Environment) {
    let (addr, metrics) = (free_addr(), free_addr());
    let args = vec![
        format!("--insecure-listen={addr}"),
        format!("--metrics-listen={metrics}"),
    ];
    let relay = Relay::start_with(environment, addr, metrics, args).await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o01_version_and_help_need_nothing_to_be_right() {
    let broken = || env(|env| env.production = set("perhaps"));
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
        check_refused(Environment::default(), flags).await;
    }
}

#[tokio::test]
async fn o07_o20_a_typo_in_a_switch_refuses() {
    for value in ["", "0", "true", " 1", "1 "] {
        check_refused(env(|env| env.production = set(value)), &[]).await;
        check_refused(env(|env| env.single_instance = set(value)), &[]).await;
    }
}

#[tokio::test]
async fn o09_o10_production_refuses_plain_http_and_root() {
    check_refused(env(|env| env.production = set("1")), &[]).await;
    check_boots(env(|env| env.effective_uid = Some(0))).await;
}

#[tokio::test]
async fn o11_o12_a_platform_of_many_needs_the_assertion() {
    let fly = |name: &str| env(|env| env.fly_app_name = set(name));
    check_refused(fly("x"), &[]).await;
    check_boots(Environment {
        single_instance: set("1"),
        ..fly("x")
    })
    .await;
    check_boots(fly("")).await;
}

#[tokio::test]
async fn o13_capabilities_matter_in_production_only() {
    let all = Capabilities::Effective(CapabilityMask(u64::MAX));
    check_boots(env(|env| env.capabilities = all)).await;
}

#[tokio::test]
async fn o17_without_a_metrics_address_there_is_one_listener() {
    let (addr, metrics) = (free_addr(), free_addr());
    let args = vec![
        format!("--insecure-listen={addr}"),
        "--metrics-listen=".to_owned(),
    ];
    let relay = Relay::start_with(Environment::default(), addr, metrics, args).await;
    assert!(!is_bound(metrics).await);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
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
