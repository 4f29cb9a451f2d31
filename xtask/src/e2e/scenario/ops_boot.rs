//! What an operator sees of a start: refusals with their fields, exit codes, and lines that tell what is off.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;

use super::Scenario;
use crate::e2e::log::Fields;
use crate::e2e::ports;
use crate::e2e::relay::{Relay, command};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(o04_flags_of_tls_beside_plain_http_are_refused),
    scenario!(o05_plain_http_wins_over_a_domain),
    scenario!(o07_o20_a_switch_is_1_or_absent),
    scenario!(o08_o09_o11_the_environment_is_judged_with_2),
    scenario!(o10_o13_what_it_may_do_is_read_from_the_system),
    scenario!(o14_credentials_are_refused_unseen),
    scenario!(o14_push_off_is_told_once),
    scenario!(o15_a_listen_address_is_refused_as_typed),
    scenario!(o16_metrics_only_on_loopback),
    scenario!(o17_an_empty_metrics_address_opens_no_socket),
    scenario!(o19_a_taken_metrics_port_exits_1),
    scenario!(o19_two_relays_cannot_share_the_default_metrics_port),
    scenario!(a_hangup_does_not_end_a_relay),
];

const PRODUCTION: &str = "PYRYCODE_RELAY_PRODUCTION";
const SINGLE: &str = "PYRYCODE_RELAY_SINGLE_INSTANCE";
const CREDENTIALS: &str = "PYRYCODE_RELAY_FCM_CREDENTIALS";

type Variables<'v> = &'v [(&'v str, &'v str)];

/// Refused with exit 2 before anything was served, one record per problem; their fields.
async fn refusals(
    stage: &Stage,
    args: &[&str],
    variables: Variables<'_>,
) -> anyhow::Result<Vec<Fields>> {
    let output = command(stage.binary())
        .args(args)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .output()
        .await?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(2),
        "{args:?} {variables:?} ended with {}: {stderr}",
        output.status
    );
    let mut refused = Vec::new();
    for fields in stderr.lines().map(Fields::of) {
        match fields.get("msg") {
            Some("configuration refused") => refused.push(fields),
            Some("starting" | "listening") => bail!("{args:?} {variables:?} was served: {stderr}"),
            _ => {}
        }
    }
    Ok(refused)
}

fn has(problems: &[Fields], key: &str, value: &str) -> anyhow::Result<()> {
    ensure!(
        problems.iter().any(|fields| fields.get(key) == Some(value)),
        "no {key}={value} in {problems:?}"
    );
    Ok(())
}

/// The only problem with these flags, beside a good listen address.
async fn refusal(
    stage: &Stage,
    flags: &[&str],
    variables: Variables<'_>,
) -> anyhow::Result<Fields> {
    let listen = format!("--insecure-listen={}", ports::free()?);
    let args = [&[&*listen, "--metrics-listen="], flags].concat();
    let mut problems = refusals(stage, &args, variables).await?;
    ensure!(problems.len() == 1, "{flags:?}: {problems:?}");
    Ok(problems.remove(0))
}

async fn o04_flags_of_tls_beside_plain_http_are_refused(stage: &Stage) -> anyhow::Result<()> {
    for flag in [
        "--http-listen=:80",
        "--https-listen=:443",
        "--https-proxy-protocol",
        "--https-proxy-protocol=false",
    ] {
        let told = refusal(stage, &[flag], &[]).await?;
        let name = flag.split('=').next().unwrap_or(flag);
        let err = told.get("err").unwrap_or_default();
        ensure!(err.contains(name) && told.get("fix").is_some(), "{told:?}");
    }
    Ok(())
}

async fn o05_plain_http_wins_over_a_domain(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--domain=relay.example.com"]).await?;
    let listen = relay.addr().to_string();
    let fields = [("mode", "insecure"), ("listen", listen.as_str())];
    let started = relay.started(&fields).await?;
    ensure!(started.get("domain").is_none(), "{started:?}");
    relay.get("/healthz").await?.expect(200)
}

async fn o07_o20_a_switch_is_1_or_absent(stage: &Stage) -> anyhow::Result<()> {
    for value in ["", "0", "true", " 1", "1 "] {
        for variable in [PRODUCTION, SINGLE] {
            let told = refusal(stage, &[], &[(variable, value)]).await?;
            let reason = format!("malformed-value: expected \"1\", got {value:?}");
            ensure!(told.get("env_var") == Some(variable), "{told:?}");
            ensure!(told.get("reason") == Some(reason.as_str()), "{told:?}");
        }
    }
    Ok(())
}

async fn o08_o09_o11_the_environment_is_judged_with_2(stage: &Stage) -> anyhow::Result<()> {
    let listen = format!("--insecure-listen={}", ports::free()?);
    let args = [listen.as_str(), "--metrics-listen="];

    let planted = "planted-credential";
    let typos = [(CREDENTIALS, planted), (SINGLE, " 1"), (PRODUCTION, "true")];
    let typos = refusals(stage, &args, &typos).await?;
    let named: Vec<_> = typos
        .iter()
        .filter_map(|told| told.get("env_var"))
        .collect();
    ensure!(named == [PRODUCTION, SINGLE, CREDENTIALS], "{typos:?}");

    let production = refusals(stage, &args, &[(PRODUCTION, "1")]).await?;
    has(&production, "env_var", PRODUCTION)?;
    let err = "--insecure-listen is refused in production";
    has(&production, "err", err)?;

    let fly = refusals(stage, &args, &[("FLY_APP_NAME", "x")]).await?;
    has(&fly, "bypass_env_var", SINGLE)?;
    ensure!(fly.iter().any(|fields| {
        let err = fields.get("err").unwrap_or_default();
        err.contains("multi-instance deploy detected") && err.contains(SINGLE)
    }));
    Ok(())
}

/// The relay inherits what this process is and may do.
async fn o10_o13_what_it_may_do_is_read_from_the_system(stage: &Stage) -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = u64::from_str_radix(mask.context("a CapEff line")?.trim(), 16)?;
    let unexpected = mask & !(1 << 10);
    let is_root = rustix::process::geteuid().is_root();

    let relay = stage.relay().await?;
    let warned = relay.log().count("more privileges than a relay needs");
    ensure!(warned == usize::from(unexpected != 0), "{warned} warnings");

    let problems = refusals(
        stage,
        &["--insecure-listen=127.0.0.1:1"],
        &[(PRODUCTION, "1")],
    )
    .await?;
    let root = problems
        .iter()
        .find(|told| told.get("effective_uid") == Some("0"));
    ensure!(root.is_some() == is_root, "{problems:?}");
    let errs = problems.iter().filter_map(|told| told.get("err"));
    let named = errs
        .filter(|err| err.contains("capabilities"))
        .collect::<String>();
    for bit in (0..u64::BITS).filter(|bit| mask >> bit & 1 == 1) {
        let is_named = named.contains(&format!("(bit {bit})"));
        ensure!(is_named == (bit != 10), "bit {bit} of {mask:x}: {named}");
    }
    ensure!(named.is_empty() == (unexpected == 0), "{named}");
    Ok(())
}

async fn o14_credentials_are_refused_unseen(stage: &Stage) -> anyhow::Result<()> {
    let garbage = "-----BEGIN PRIVATE KEY-----\\nplanted\\n-----END PRIVATE KEY-----\\n";
    let key = |kind: &str, pem: &str| {
        format!(r#"{{"type":"{kind}","client_email":"planted","private_key":"{pem}"}}"#)
    };
    for value in [
        String::new(),
        "{}".to_owned(),
        "planted".to_owned(),
        key("planted", garbage),
        key("service_account", garbage),
    ] {
        for format in ["logfmt", "json"] {
            let output = command(stage.binary())
                .args(["--insecure-listen=127.0.0.1:1", "--metrics-listen="])
                .args(["--log-format", format])
                .env(CREDENTIALS, &value)
                .env("RUST_LOG", "trace")
                .stdout(Stdio::piped())
                .output()
                .await?;
            let stderr = String::from_utf8(output.stderr)?;
            ensure!(output.status.code() == Some(2), "{value}: {stderr}");
            ensure!(stderr.contains(CREDENTIALS) && output.stdout.is_empty());
            ensure!(!stderr.contains("planted"), "{stderr}");
        }
    }
    Ok(())
}

async fn o14_push_off_is_told_once(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let told = relay
        .log()
        .count("push off: PYRYCODE_RELAY_FCM_CREDENTIALS unset");
    ensure!(told == 1, "told {told} times");
    Ok(())
}

async fn o15_a_listen_address_is_refused_as_typed(stage: &Stage) -> anyhow::Result<()> {
    for addr in ["notaport", "127.0.0.1", ":0", ":99999", ":http", ":-1"] {
        let flags = ["--insecure-listen", addr, "--metrics-listen="];
        let problems = refusals(stage, &flags, &[]).await?;
        ensure!(problems.len() == 1, "{problems:?}");
        has(&problems, "addr", addr)?;
    }
    Ok(())
}

async fn o16_metrics_only_on_loopback(stage: &Stage) -> anyhow::Result<()> {
    let listen = format!("--insecure-listen={}", ports::free()?);
    for addr in [
        "localhost:9090",
        ":9090",
        "0.0.0.0:9090",
        "192.168.1.10:9090",
        "[2001:db8::1]:9090",
        "127.0.0.1:0",
        "127.0.0.1",
    ] {
        let flag = format!("--metrics-listen={addr}");
        let problems = refusals(stage, &[&listen, &flag], &[]).await?;
        has(&problems, "value", addr)?;
    }
    Ok(())
}

async fn o17_an_empty_metrics_address_opens_no_socket(stage: &Stage) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let with = stage.relay_with(&[&flag]).await?;
    let both = [with.addr().port(), metrics.port()];
    ensure!(with.ports()? == both.into(), "{:?}", with.ports()?);
    let without = stage.relay_with(&["--metrics-listen="]).await?;
    let one = [without.addr().port()];
    ensure!(without.ports()? == one.into(), "{:?}", without.ports()?);
    Ok(())
}

async fn o19_a_taken_metrics_port_exits_1(stage: &Stage) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let _first = stage.relay_with(&[&flag]).await?;
    let mut second = Relay::start(stage.binary(), &[&flag])?;
    expect_taken(&mut second, metrics).await
}

/// Whoever holds the port, this process or another.
async fn o19_two_relays_cannot_share_the_default_metrics_port(stage: &Stage) -> anyhow::Result<()> {
    let metrics = SocketAddr::from(([127, 0, 0, 1], 9090));
    let _held = TcpListener::bind(metrics);
    let mut relay = Relay::start_as_is(stage.binary())?;
    expect_taken(&mut relay, metrics).await
}

async fn expect_taken(relay: &mut Relay, addr: SocketAddr) -> anyhow::Result<()> {
    let (status, _) = relay.exit().await?;
    ensure!(status.code() == Some(1), "ended with {status}");
    let lines = relay.log().lines();
    let with = |msg: &str| {
        let mut fields = lines.iter().map(|line| Fields::of(line));
        fields.find(|fields| fields.get("msg") == Some(msg))
    };
    let failed =
        with("listener failed").with_context(|| format!("no `listener failed` in {lines:?}"))?;
    ensure!(failed.get("level") == Some("ERROR"), "{failed:?}");
    ensure!(failed.get("addr") == Some(addr.to_string().as_str()));
    ensure!(with("listening").is_none(), "it served: {lines:?}");
    Ok(())
}

async fn a_hangup_does_not_end_a_relay(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let mark = relay.log().mark();
    relay.signal(Signal::HUP)?;
    relay.log().event(mark, "nothing to reload", &[]).await?;
    relay.get("/readyz").await?.expect(200)?;
    relay.signal(Signal::TERM)?;
    relay
        .exits_cleanly_within(std::time::Duration::from_secs(2))
        .await
}
