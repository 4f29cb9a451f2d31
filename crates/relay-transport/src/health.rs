//! The bodies of `/healthz` and `/readyz`. Process-local facts only.

use std::fmt::Write as _;
use std::time::Duration;

use relay_core::Stats;

/// The five keys, in this order: a contract that deploy checks read.
pub(crate) fn healthz(version: &str, stats: &Stats, uptime: Duration) -> String {
    format!(
        r#"{{"status":"ok","version":"{}","connected_binaries":{},"connected_phones":{},"uptime_seconds":{}}}"#,
        escaped(version),
        stats.connected_binaries,
        stats.connected_phones,
        uptime.as_secs(),
    )
}

/// `ready`, or why not.
pub(crate) fn readyz(is_draining: bool) -> &'static str {
    if is_draining { "draining\n" } else { "ready\n" }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthz_has_five_keys_in_order() {
        let mut stats = Stats::default();
        stats.connected_binaries = 1;
        stats.connected_phones = 2;
        assert_eq!(
            healthz("1.2.3", &stats, Duration::from_millis(61_999)),
            r#"{"status":"ok","version":"1.2.3","connected_binaries":1,"connected_phones":2,"uptime_seconds":61}"#
        );
    }

    #[test]
    fn an_odd_version_stays_json() {
        let body = healthz("a\"b\\c\n", &Stats::default(), Duration::ZERO);
        let parsed: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(parsed["version"], "a\"b\\c\n");
    }
}
