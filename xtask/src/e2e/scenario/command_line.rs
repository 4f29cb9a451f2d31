//! Case 9, case 52, the first cases of operations and the command line: flags, refusals, exit codes.

use std::net::TcpListener;
use std::process::{Output, Stdio};

use anyhow::{Context as _, ensure};

use super::Scenario;
use crate::e2e::log::Fields;
use crate::e2e::ports;
use crate::e2e::relay::{Relay, command};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(o01_version_is_printed_whatever_else_is_wrong),
    scenario!(help_is_no_error),
    scenario!(o02_without_a_mode_both_are_named),
    scenario!(o03_an_unknown_flag_gets_the_usage),
    scenario!(case_09_o06_o15_bad_values_are_refused_with_2),
    scenario!(every_problem_is_reported_at_once),
    scenario!(one_dash_or_two_and_a_value_either_way),
    scenario!(case_52_o18_a_taken_port_exits_1),
];

async fn run(stage: &Stage, args: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Output> {
    let mut command = command(stage.binary());
    command
        .args(args)
        .envs(env.iter().copied())
        .stdout(Stdio::piped());
    command
        .output()
        .await
        .with_context(|| format!("could not run {args:?}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It was refused, nothing went to standard output, and standard error names each of these.
async fn expect_refused(stage: &Stage, args: &[&str], named: &[&str]) -> anyhow::Result<()> {
    let output = run(stage, args, &[]).await?;
    let stderr = stderr(&output);
    ensure!(
        output.status.code() == Some(2),
        "{args:?} ended with {}: {stderr}",
        output.status
    );
    ensure!(
        output.stdout.is_empty(),
        "{args:?} wrote to standard output"
    );
    for name in named {
        ensure!(
            stderr.contains(name),
            "{args:?}: `{name}` is not named in {stderr}"
        );
    }
    Ok(())
}

async fn o01_version_is_printed_whatever_else_is_wrong(stage: &Stage) -> anyhow::Result<()> {
    let broken = [
        ("PYRYCODE_RELAY_PRODUCTION", "perhaps"),
        ("PYRYCODE_RELAY_SINGLE_INSTANCE", ""),
        ("PYRYCODE_RELAY_FCM_CREDENTIALS", "{}"),
        ("FLY_APP_NAME", "x"),
        ("RUST_LOG", "relay=loud"),
    ];
    let relay = stage.relay().await?;
    let health: serde_json::Value = serde_json::from_slice(&relay.get("/healthz").await?.body)?;
    let version = health["version"].as_str().context("a version")?;
    ensure!(!version.is_empty() && !version.contains(char::is_whitespace));
    relay.started(&[("version", version)]).await?;
    for args in [
        &["--version"] as &[&str],
        &["-version"],
        &["--version=true"],
        &["--max-connections", "0", "--version"],
        &[
            "--insecure-listen=:80",
            "--https-proxy-protocol",
            "-version",
        ],
        &["--version", "stray", "--bogus"],
    ] {
        let output = run(stage, args, &broken).await?;
        ensure!(
            output.status.code() == Some(0),
            "{args:?} ended with {}: {}",
            output.status,
            stderr(&output)
        );
        ensure!(output.stderr.is_empty(), "{args:?}: {}", stderr(&output));
        let stdout = String::from_utf8(output.stdout)?;
        ensure!(stdout == format!("{version}\n"), "{args:?}: {stdout:?}");
    }
    Ok(())
}

async fn o02_without_a_mode_both_are_named(stage: &Stage) -> anyhow::Result<()> {
    let both = ["--domain", "--insecure-listen", "level=ERROR", "fix="];
    for args in [&[] as &[&str], &["--insecure-listen="], &["--domain", ""]] {
        expect_refused(stage, args, &both).await?;
    }
    Ok(())
}

async fn o03_an_unknown_flag_gets_the_usage(stage: &Stage) -> anyhow::Result<()> {
    for (args, problem) in [
        (&["--bogus"] as &[&str], "unknown flag \"bogus\""),
        (
            &["--insecure-listen=127.0.0.1:8080", "-bogus=1"],
            "unknown flag \"bogus\"",
        ),
        (&["--max-connections=abc"], "--max-connections"),
        (&["--https-proxy-protocol=yes"], "want true or false"),
        (&["--domain"], "--domain needs a value"),
    ] {
        let usage = "Usage: pyrycode-relay [flags]";
        expect_refused(stage, args, &[problem, usage, "\n  --domain"]).await?;
    }
    Ok(())
}

async fn help_is_no_error(stage: &Stage) -> anyhow::Result<()> {
    for flag in ["-h", "-help", "--help"] {
        let output = run(stage, &[flag], &[]).await?;
        ensure!(
            output.status.code() == Some(0),
            "{flag} ended with {}",
            output.status
        );
        ensure!(output.stdout.is_empty(), "{flag} wrote to standard output");
        for name in [
            "domain",
            "cert-cache",
            "insecure-listen",
            "https-listen",
            "http-listen",
            "https-proxy-protocol",
            "metrics-listen",
            "max-connections",
            "drain-deadline",
            "drain-spread",
            "queue-memory",
            "log-format",
            "version",
        ] {
            ensure!(
                stderr(&output).contains(&format!("\n  --{name}")),
                "{flag} does not mention --{name}"
            );
        }
        // Whoever turns this on has been told.
        ensure!(stderr(&output).contains("SPOOF"), "{flag} does not warn");
    }
    Ok(())
}

async fn case_09_o06_o15_bad_values_are_refused_with_2(stage: &Stage) -> anyhow::Result<()> {
    const LISTEN: &str = "--insecure-listen=127.0.0.1:8080";
    expect_refused(stage, &[], &["--insecure-listen"]).await?;
    expect_refused(stage, &[LISTEN, "--bogus"], &["bogus"]).await?;
    expect_refused(stage, &[LISTEN, "--max-connections"], &["max-connections"]).await?;
    for value in ["0", "-1", "abc", "1.5", ""] {
        expect_refused(
            stage,
            &[LISTEN, "--max-connections", value],
            &["max-connections"],
        )
        .await?;
    }
    for value in ["-1MiB", "8MB!", "abc", ""] {
        expect_refused(
            stage,
            &[LISTEN, &format!("--queue-memory={value}")],
            &["queue-memory"],
        )
        .await?;
    }
    expect_refused(stage, &[LISTEN, "--log-format", "xml"], &["log-format"]).await?;
    expect_refused(
        stage,
        &[LISTEN, "--drain-deadline", "soon"],
        &["drain-deadline"],
    )
    .await?;
    for addr in ["notaport", "127.0.0.1", ":0", ":99999", ":http", ":-1"] {
        expect_refused(stage, &["--insecure-listen", addr], &[addr]).await?;
    }
    Ok(())
}

async fn every_problem_is_reported_at_once(stage: &Stage) -> anyhow::Result<()> {
    // What cannot be read.
    let unreadable = [
        "--queue-memory=much",
        "--log-format=xml",
        "--max-connections=many",
        "--bogus",
    ];
    let named = ["queue-memory", "log-format", "max-connections", "bogus"];
    expect_refused(stage, &unreadable, &named).await?;
    // What can be read and not be used.
    let unusable = [
        "--insecure-listen=notaport",
        "--max-connections=0",
        "--drain-deadline=0s",
    ];
    expect_refused(
        stage,
        &unusable,
        &["notaport", "max-connections", "drain-deadline"],
    )
    .await
}

async fn one_dash_or_two_and_a_value_either_way(stage: &Stage) -> anyhow::Result<()> {
    let forms: [&[&str]; 4] = [
        &["-max-connections", "7"],
        &["--max-connections=7", "-queue-memory=16MiB"],
        &["-max-connections=0x7", "--drain-deadline", "3s"],
        // The last one wins, and what follows a word or `--` is nobody's.
        &[
            "--max-connections=1",
            "--max-connections=7",
            "--",
            "--bogus",
        ],
    ];
    for flags in forms {
        stage.relay_with(flags).await?;
    }
    Ok(())
}

async fn case_52_o18_a_taken_port_exits_1(stage: &Stage) -> anyhow::Result<()> {
    let addr = ports::free()?;
    let _taken = TcpListener::bind(addr)?;
    let mut relay = Relay::start_at(stage.binary(), addr, &[])?;
    let (status, _) = relay.exit().await?;
    ensure!(status.code() == Some(1), "ended with {status}");
    let lines = relay.log().lines();
    let failed = lines
        .iter()
        .map(|line| Fields::of(line))
        .find(|line| line.get("msg") == Some("listener failed"));
    let failed = failed.with_context(|| format!("no `listener failed` in {lines:?}"))?;
    let addr = addr.to_string();
    ensure!(
        failed.get("level") == Some("ERROR") && failed.get("addr") == Some(addr.as_str()),
        "{failed:?}"
    );
    Ok(())
}
