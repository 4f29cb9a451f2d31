//! Which series a page has before anything happened, and that each number is where it belongs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

fn fresh() -> Reading {
    Reading {
        version: "1.2.3",
        core: Stats::default(),
        transport: TransportStats::default(),
        is_draining: false,
        queue_limit: 1 << 20,
        max_connections: 7,
        push: None,
        certificates: None,
        process: None,
    }
}

/// Samples by name and labels.
fn samples(text: &str) -> BTreeMap<&str, &str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap()).collect()
}

fn of_family<'t>(text: &'t str, family: &str) -> Vec<&'t str> {
    let mut series: Vec<_> = samples(text)
        .into_keys()
        .filter(|series| series.split('{').next() == Some(family))
        .collect();
    series.sort_unstable();
    series
}

#[test]
fn o49_every_documented_series_exists_at_zero() {
    let text = fresh().text();
    let samples = samples(&text);
    let mut expected = vec![
        "pyrycode_relay_connected_binaries".to_owned(),
        "pyrycode_relay_connected_phones".to_owned(),
        "pyrycode_relay_grace_expiries_total".to_owned(),
    ];
    for direction in ["phone_to_binary", "binary_to_phone"] {
        let series = format!("pyrycode_relay_frames_forwarded_total{{direction=\"{direction}\"}}");
        expected.push(series);
    }
    for endpoint in ["server", "client"] {
        for outcome in [
            "accept",
            "reject_headers",
            "reject_409",
            "reject_404",
            "reject_429",
            "reject_rate_limit",
            "reject_cap",
        ] {
            expected.push(format!(
                "pyrycode_relay_ws_upgrade_attempts_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}"
            ));
        }
    }
    for kind in ["no_server", "server_in_use", "phones_at_cap", "ratelimit"] {
        expected.push(format!(
            "pyrycode_relay_register_failures_total{{kind=\"{kind}\"}}"
        ));
    }
    for cause in ["encoding", "gathering"] {
        expected.push(format!(
            "promhttp_metric_handler_errors_total{{cause=\"{cause}\"}}"
        ));
    }
    for series in &expected {
        assert_eq!(samples.get(series.as_str()), Some(&"0"), "{series}");
    }
    for (family, series) in [
        ("pyrycode_relay_ws_upgrade_attempts_total", 14),
        ("pyrycode_relay_register_failures_total", 4),
        ("pyrycode_relay_frames_forwarded_total", 2),
        ("pyrycode_relay_closes_total", 18 * 5),
    ] {
        assert_eq!(of_family(&text, family).len(), series, "{family}");
    }
    assert!(!text.contains("\ngo_") && !text.contains("push_wakes"));
}

#[test]
fn every_family_is_told_once_with_help_and_type() {
    let text = fresh().text();
    let mut names = Vec::new();
    for (line, next) in text.lines().zip(text.lines().skip(1)) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.ends_with('.'), "{name}: {help}");
            assert!(next.starts_with(&format!("# TYPE {name} ")), "{next}");
            names.push(name);
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn numbers_are_where_they_belong() {
    let mut reading = fresh();
    reading.core.frames_to_phones = 3;
    reading.core.queued_bytes = 4;
    reading.is_draining = true;
    reading.transport.binary_upgrades.rate_limited = 5;
    reading.transport.phone_upgrades.rate_limited = 6;
    reading.transport.phone_upgrades.no_server = 7;
    reading.transport.binary_upgrades.server_in_use = 8;
    reading.transport.phone_upgrades.too_many_phones = 9;
    reading.transport.uptime = Duration::from_millis(1_500);
    let text = reading.text();
    let samples = samples(&text);
    for (series, value) in [
        (
            "pyrycode_relay_frames_forwarded_total{direction=\"binary_to_phone\"}",
            "3",
        ),
        ("pyrycode_relay_queue_bytes", "4"),
        ("pyrycode_relay_queue_limit_bytes", "1048576"),
        ("pyrycode_relay_connections_limit", "7"),
        ("pyrycode_relay_draining", "1"),
        (
            "pyrycode_relay_register_failures_total{kind=\"ratelimit\"}",
            "11",
        ),
        (
            "pyrycode_relay_register_failures_total{kind=\"no_server\"}",
            "7",
        ),
        (
            "pyrycode_relay_register_failures_total{kind=\"server_in_use\"}",
            "8",
        ),
        (
            "pyrycode_relay_register_failures_total{kind=\"phones_at_cap\"}",
            "9",
        ),
        (
            "pyrycode_relay_ws_upgrade_attempts_total{endpoint=\"client\",outcome=\"reject_404\"}",
            "7",
        ),
        ("pyrycode_relay_build_info{version=\"1.2.3\"}", "1"),
        ("pyrycode_relay_uptime_seconds", "1.5"),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}
