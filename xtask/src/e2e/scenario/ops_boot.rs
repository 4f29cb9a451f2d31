//! What an operator sees of a start: refusals with their fields, exit codes, and lines that tell what is off.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::Scenario;
use crate::e2e::log::Fields;
use crate::e2e::ports;
use crate::e2e::relay::{Relay, command};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(o07_o09_o11_the_environment_is_judged_with_2),
    scenario!(o14_push_off_is_told_once),
    scenario!(o16_metrics_only_on_loopback),
    scenario!(o19_a_taken_metrics_port_exits_1),
    scenario!(a_hangup_does_not_end_a_relay),
];

type Variables<'v> = &'v [(&'v str, &'v str)];

/// Refused with exit 2, one record per problem; their fields.
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
    let fields = stderr.lines().map(Fields::of);
    Ok(fields
        .filter(|fields| fields.get("msg") == Some("configuration refused"))
        .collect())
}

fn has(problems: &[Fields], key: &str, value: &str) -> anyhow::Result<()> {
    ensure!(
        problems.iter().any(|fields| fields.get(key) == Some(value)),
        "no {key}={value} in {problems:?}"
    );
    Ok(())
}

async fn o07_o09_o11_the_environment_is_judged_with_2(stage: &Stage) -> anyhow::Result<()> {
    const PRODUCTION: &str = "PYRYCODE_RELAY_PRODUCTION";
    const SINGLE: &str = "PYRYCODE_RELAY_SINGLE_INSTANCE";
    let listen = format!("--insecure-listen={}", ports::free()?);
    let args = [listen.as_str(), "--metrics-listen="];

    let typos = refusals(stage, &args, &[(PRODUCTION, "true"), (SINGLE, " 1")]).await?;
    ensure!(typos.len() == 2, "{typos:?}");
    has(&typos, "env_var", PRODUCTION)?;
    has(&typos, "env_var", SINGLE)?;
    let reason = "malformed-value: expected \"1\", got \"true\"";
    has(&typos, "reason", reason)?;

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

    let planted = "planted-credential";
    let key = [("PYRYCODE_RELAY_FCM_CREDENTIALS", planted)];
    let credentials = refusals(stage, &args, &key).await?;
    has(&credentials, "env_var", "PYRYCODE_RELAY_FCM_CREDENTIALS")?;
    ensure!(!format!("{credentials:?}").contains(planted));
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

async fn o16_metrics_only_on_loopback(stage: &Stage) -> anyhow::Result<()> {
    let listen = format!("--insecure-listen={}", ports::free()?);
    for addr in [
        "localhost:9090",
        ":9090",
        "0.0.0.0:9090",
        "192.168.1.10:9090",
        "127.0.0.1:0",
    ] {
        let flag = format!("--metrics-listen={addr}");
        let problems = refusals(stage, &[&listen, &flag], &[]).await?;
        has(&problems, "value", addr)?;
    }
    Ok(())
}

async fn o19_a_taken_metrics_port_exits_1(stage: &Stage) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let _first = stage.relay_with(&[&flag]).await?;
    let mut second = Relay::start(stage.binary(), &[&flag])?;
    let (status, _) = second.exit().await?;
    ensure!(status.code() == Some(1), "ended with {status}");
    let lines = second.log().lines();
    let failed = lines
        .iter()
        .map(|line| Fields::of(line))
        .find(|line| line.get("msg") == Some("listener failed"))
        .with_context(|| format!("no `listener failed` in {lines:?}"))?;
    ensure!(failed.get("addr") == Some(metrics.to_string().as_str()));
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
