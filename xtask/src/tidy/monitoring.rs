//! Alerts and dashboards ask only for series that the relay has: a renamed one would leave them silent.

use std::collections::BTreeSet;

use super::links::{self, Files};
use super::promql;
use super::tokens::{Kind, tokens};

/// Where the relay's series are written.
pub(super) const FAMILIES: &[&str] = &[
    "relay-bin/src/metrics/families.rs",
    "relay-bin/src/metrics/families/optional.rs",
    "relay-bin/src/metrics/families/peers.rs",
    "relay-bin/src/metrics/process.rs",
];

/// Alert rules, their tests, and the dashboard.
pub(crate) const ALERTS: &str = "packaging/prometheus/alerts.yml";
pub(crate) const ALERTS_TEST: &str = "packaging/prometheus/alerts.test.yml";
pub(crate) const DASHBOARD: &str = "packaging/grafana/dashboard.json";

/// What Prometheus adds to every target, or makes of alerts.
const OF_PROMETHEUS: &[&str] = &["up", "ALERTS"];

/// A text that asks for series, and the line it begins in; 0 where lines say nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expression {
    line: usize,
    pub(crate) text: String,
}

/// What is wrong with the alerts, their tests and the dashboard.
pub(super) fn violations(files: &Files<'_>) -> Vec<String> {
    let content = |path: &str| files.get(path).copied().unwrap_or_default();
    let known: BTreeSet<&str> = FAMILIES
        .iter()
        .flat_map(|path| families(content(path)))
        .chain(OF_PROMETHEUS.iter().copied())
        .collect();
    let mut found = Vec::new();
    for (path, expressions) in [
        (ALERTS, scalars(content(ALERTS), "expr")),
        (ALERTS_TEST, scalars(content(ALERTS_TEST), "series")),
        (ALERTS_TEST, scalars(content(ALERTS_TEST), "expr")),
        (DASHBOARD, dashboard(content(DASHBOARD)).unwrap_or_default()),
    ] {
        if expressions.is_empty() {
            found.push(format!("{path}: no expression found"));
        }
        for Expression { line, text } in &expressions {
            let unknown = promql::selectors(text)
                .into_iter()
                .map(|selector| selector.name)
                .filter(|name| !known.contains(name));
            found.extend(unknown.map(|name| format!("{path}:{line}: no series is named `{name}`")));
        }
    }
    for Expression { line, text } in scalars(content(ALERTS), "runbook") {
        if !links::leads_somewhere("", &text, files) {
            found.push(format!("{ALERTS}:{line}: `{text}` leads nowhere"));
        }
    }
    found
}

/// The names given to `.counter("…")` and `.gauge("…")`.
pub(super) fn families(source: &str) -> Vec<&str> {
    let tokens = tokens(source);
    let calls = tokens.windows(4).filter(|call| {
        call[0].is(".") && (call[1].is("counter") || call[1].is("gauge")) && call[2].is("(")
    });
    calls
        .filter(|call| call[3].kind == Kind::Str)
        .map(|call| call[3].text.trim_matches('"'))
        .collect()
}

/// The values of a key in a YAML file of ours: on the key's line, or in a block scalar below it.
pub(crate) fn scalars(yaml: &str, key: &str) -> Vec<Expression> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    let mut lines = (1..).zip(yaml.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        let item = line.trim_start();
        let item = item.strip_prefix("- ").unwrap_or(item);
        let value = item
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(": "));
        let Some(value) = value.map(str::trim) else {
            continue;
        };
        let mut text = value.trim_matches(['"', '\'']).to_owned();
        if value.starts_with(['|', '>']) {
            text.clear();
            while let Some((_, below)) =
                lines.next_if(|(_, below)| below.is_empty() || indent(below) > indent(line))
            {
                text.push_str(below.trim_start());
                text.push('\n');
            }
        }
        found.push(Expression { line: number, text });
    }
    found
}

/// The expressions and variables' queries of a dashboard.
///
/// # Errors
///
/// It is not JSON.
pub(crate) fn dashboard(json: &str) -> serde_json::Result<Vec<Expression>> {
    let mut found = Vec::new();
    queries(&serde_json::from_str(json)?, &mut found);
    Ok(found)
}

fn queries(value: &serde_json::Value, found: &mut Vec<Expression>) {
    if let Some(members) = value.as_object() {
        for (key, member) in members {
            match member.as_str() {
                Some(text) if key == "expr" || key == "definition" => {
                    let text = text.to_owned();
                    found.push(Expression { line: 0, text });
                }
                _ => queries(member, found),
            }
        }
    } else if let Some(items) = value.as_array() {
        for item in items {
            queries(item, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        text.counter("a_total", "A.").value(1);
        text.gauge(
            "b",
            "B: .counter(\"c\").",
        );
    "#;
    const RULES: &str = "\
groups:
  - name: x
    rules:
      - alert: A
        expr: a_total > 0
        runbook: docs/RUNBOOK.md#a
      - alert: B
        expr: |
          b
            / gone
        for: 1m
";
    const TESTS: &str = "- series: b{x=\"y\"}\n  values: 1\n- expr: ALERTS\n";
    const BOARD: &str = r#"{"panels":[{"targets":[{"expr":"rate(a_total[$__rate_interval])"}]}],
        "templating":{"list":[{"definition":"label_values(lost, job)"}]}}"#;

    fn check(rules: &str, board: &str, expected: &[&str]) {
        let files = Files::from([
            (FAMILIES[0], SOURCE),
            ("docs/RUNBOOK.md", "# Runbook\n\n## A\n"),
            (ALERTS, rules),
            (ALERTS_TEST, TESTS),
            (DASHBOARD, board),
        ]);
        assert_eq!(violations(&files), expected);
    }

    #[test]
    fn names_are_read_off_the_source() {
        assert_eq!(families(SOURCE), ["a_total", "b"]);
    }

    #[test]
    fn unknown_series_are_found_wherever_they_are_asked_for() {
        check(
            RULES,
            BOARD,
            &[
                "packaging/prometheus/alerts.yml:8: no series is named `gone`",
                "packaging/grafana/dashboard.json:0: no series is named `lost`",
            ],
        );
        check(
            &RULES.replace("gone", "up"),
            &BOARD.replace("lost", "b"),
            &[],
        );
    }

    #[test]
    fn a_runbook_that_is_not_there_is_found() {
        check(
            &RULES.replace("gone", "b").replace("md#a", "md#b"),
            &BOARD.replace("lost", "b"),
            &["packaging/prometheus/alerts.yml:6: `docs/RUNBOOK.md#b` leads nowhere"],
        );
    }

    #[test]
    fn a_file_that_asks_for_nothing_was_not_understood() {
        check(
            "groups: []\n",
            "{",
            &[
                "packaging/prometheus/alerts.yml: no expression found",
                "packaging/grafana/dashboard.json: no expression found",
            ],
        );
    }
}
