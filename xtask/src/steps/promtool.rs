//! Alert rules and dashboard as Prometheus reads them.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::check;
use crate::tally::Tally;
use crate::tidy::monitoring::{self, ALERTS, ALERTS_TEST, DASHBOARD};
use crate::workspace::Workspace;

/// The intervals that Grafana fills in.
const VARIABLES: &[(&str, &str)] = &[
    ("$__rate_interval", "5m"),
    ("$__interval", "1m"),
    ("$__range", "1h"),
];

/// Checks the rules, what they do, and the dashboard's expressions. Without promtool that is a failure where it is
/// `required`, and nothing elsewhere.
///
/// # Errors
///
/// A file cannot be read or written, or promtool not be started.
pub(super) fn run(workspace: &Workspace, required: bool) -> anyhow::Result<Tally> {
    if !is_installed()? {
        println!("promtool is not installed (Debian package prometheus): alerts were not checked");
        return Ok(if required {
            Tally::of_check(false)
        } else {
            Tally::default()
        });
    }
    let promtool = |verb: &str, file: PathBuf| {
        let mut command = Command::new("promtool");
        command
            .args([verb, "rules"])
            .arg(file)
            .current_dir(workspace.root())
            .stdin(Stdio::null());
        check(&mut command)
    };
    let mut tally = promtool("check", ALERTS.into())?;
    tally += promtool("test", ALERTS_TEST.into())?;
    tally += promtool("check", dashboard_rules(workspace)?)?;
    Ok(tally)
}

fn is_installed() -> anyhow::Result<bool> {
    let version = Command::new("promtool")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match version {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("could not start promtool"),
    }
}

/// The dashboard's expressions as recording rules, for promtool knows no dashboards.
fn dashboard_rules(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let dashboard = fs::read_to_string(workspace.root().join(DASHBOARD))
        .with_context(|| format!("could not read {DASHBOARD}"))?;
    let rules = rules_of(&dashboard).with_context(|| format!("{DASHBOARD} is not JSON"))?;
    let directory = workspace.root().join("target").join("xtask");
    fs::create_dir_all(&directory)
        .with_context(|| format!("could not create {}", directory.display()))?;
    let path = directory.join("dashboard.rules.yml");
    // JSON is YAML.
    fs::write(&path, rules.to_string())
        .with_context(|| format!("could not write {}", path.display()))?;
    Ok(path)
}

fn rules_of(dashboard: &str) -> serde_json::Result<serde_json::Value> {
    let expressions = monitoring::dashboard(dashboard)?;
    let queries = expressions
        .iter()
        .map(|expression| expression.text.as_str())
        .filter(|text| !text.starts_with("label_values("));
    let rules: Vec<_> = (1..)
        .zip(queries)
        .map(|(number, query)| {
            let expr = VARIABLES
                .iter()
                .fold(query.to_owned(), |expr, (name, value)| {
                    expr.replace(name, value)
                });
            serde_json::json!({ "record": format!("dashboard:expression_{number}"), "expr": expr })
        })
        .collect();
    Ok(serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_becomes_rules_with_its_variables_filled_in() {
        let dashboard = r#"{"panels":[{"expr":"rate(a[$__rate_interval])"}],"definition":"label_values(a, job)"}"#;
        let expected = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": [
            { "record": "dashboard:expression_1", "expr": "rate(a[5m])" }
        ] }] });
        assert_eq!(rules_of(dashboard).unwrap(), expected);
        assert!(rules_of("{").is_err());
    }
}
