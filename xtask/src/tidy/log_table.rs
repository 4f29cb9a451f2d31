//! The operator's table of log lines is what the code writes: every event, with its level and its keys.

use std::collections::{BTreeMap, BTreeSet};

use super::links::Files;
use super::log_keys;

const DOCUMENT: &str = "docs/OPERATIONS.md";

/// How the tables of log lines begin.
const HEADING: &str = "| `msg` | Level | Keys |";

/// Joins any line about a binary; its table says so once.
const ON_MANY: &str = "suppressed";

/// One row: events that share a level, and their keys. Those behind a comma are not on every line.
#[derive(Debug)]
struct Row<'d> {
    line: usize,
    messages: Vec<&'d str>,
    level: &'d str,
    keys: BTreeSet<&'d str>,
    always: BTreeSet<&'d str>,
}

/// A place that logs an event.
struct Site<'f> {
    path: &'f str,
    line: usize,
    level: String,
    keys: BTreeSet<String>,
}

/// Where the code and the table differ. `is_source` tells the files that log.
pub(super) fn violations(files: &Files<'_>, is_source: impl Fn(&str) -> bool) -> Vec<String> {
    let rows = rows(files.get(DOCUMENT).copied().unwrap_or_default());
    if rows.is_empty() {
        return vec![format!("{DOCUMENT} has no table of log lines")];
    }
    let mut written: BTreeMap<String, Vec<Site<'_>>> = BTreeMap::new();
    let mut found = Vec::new();
    for (path, source) in files.iter().filter(|(path, _)| is_source(path)) {
        for event in log_keys::events(source) {
            if matches!(event.level.as_str(), "DEBUG" | "TRACE") {
                continue;
            }
            let is_told = |row: &Row<'_>| row.messages.contains(&event.message.as_str());
            if !rows.iter().any(is_told) {
                let (line, message) = (event.line, &event.message);
                found.push(format!(
                    "{path}:{line}: {DOCUMENT} has no row for `{message}`"
                ));
            }
            written.entry(event.message).or_default().push(Site {
                path,
                line: event.line,
                level: event.level,
                keys: event.keys.into_iter().collect(),
            });
        }
    }
    for row in &rows {
        found.extend(differences(row, &written));
    }
    found
}

fn differences(row: &Row<'_>, written: &BTreeMap<String, Vec<Site<'_>>>) -> Vec<String> {
    let mut found = Vec::new();
    let mut untold = row.keys.clone();
    for message in &row.messages {
        let Some(sites) = written.get(*message) else {
            found.push(format!("nothing logs `{message}`"));
            continue;
        };
        for site in sites {
            let Site { path, line, .. } = site;
            if site.level != row.level {
                let level = &site.level;
                found.push(format!("{path}:{line} logs `{message}` as {level}"));
            }
            let keys: BTreeSet<_> = site.keys.iter().map(String::as_str).collect();
            for key in row.always.difference(&keys) {
                found.push(format!("{path}:{line} logs `{message}` without `{key}`"));
            }
            for key in keys.difference(&row.keys).filter(|key| **key != ON_MANY) {
                found.push(format!("{path}:{line} logs `{message}` with `{key}`"));
            }
            untold.retain(|key| !keys.contains(key));
        }
    }
    for key in untold.difference(&row.always) {
        found.push(format!("nothing logs {:?} with `{key}`", row.messages));
    }
    let line = row.line;
    found
        .into_iter()
        .map(|text| format!("{DOCUMENT}:{line}: {text}"))
        .collect()
}

fn rows(document: &str) -> Vec<Row<'_>> {
    let mut is_table = false;
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(document.lines()) {
        is_table = text.starts_with(HEADING) || (is_table && text.starts_with('|'));
        let mut cells = text.split('|').skip(1);
        let (Some(messages), Some(level), Some(keys)) = (cells.next(), cells.next(), cells.next())
        else {
            continue;
        };
        if is_table && !text.starts_with(HEADING) && !text.starts_with("|--") {
            rows.push(Row {
                line,
                messages: quoted(messages).collect(),
                level: level.trim(),
                keys: quoted(keys).collect(),
                always: quoted(keys.split(',').next().unwrap_or_default()).collect(),
            });
        }
    }
    rows
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| `msg` | Level | Keys | When |\n|---|---|---|---|\n\
        | `came` | INFO | `conn_id` `err`, and `addr` | |\n| `went`, `left` | WARN | `path` | |\n\n| `x` | INFO | – | |\n";

    fn check(source: &str, expected: &[&str]) {
        let files = Files::from([(DOCUMENT, TABLE), ("a.rs", source)]);
        assert_eq!(
            violations(&files, |path| path == "a.rs"),
            expected,
            "{source}"
        );
    }

    #[test]
    fn code_and_table_agree() {
        check(
            "info!(%conn_id, err = 1, suppressed, \"came\"); info!(conn_id, err, addr, \"came\"); \
             warn!(path, \"went\"); warn!(path, \"left\"); debug!(x, \"more\");",
            &[],
        );
        check(
            "info!(conn_id, \"came\");\ninfo!(path, \"went\");\nwarn!(\"gone\");",
            &[
                "a.rs:3: docs/OPERATIONS.md has no row for `gone`",
                "docs/OPERATIONS.md:3: a.rs:1 logs `came` without `err`",
                "docs/OPERATIONS.md:3: nothing logs [\"came\"] with `addr`",
                "docs/OPERATIONS.md:4: a.rs:2 logs `went` as INFO",
                "docs/OPERATIONS.md:4: nothing logs `left`",
            ],
        );
        // What one place lacks, another one does not make up for.
        check(
            "info!(conn_id, err, addr, remote, \"came\"); info!(conn_id, \"came\");\n\
             warn!(path, \"went\"); warn!(path, \"left\");",
            &[
                "docs/OPERATIONS.md:3: a.rs:1 logs `came` with `remote`",
                "docs/OPERATIONS.md:3: a.rs:1 logs `came` without `err`",
            ],
        );
        let none = Files::from([("a.rs", "")]);
        let told = "docs/OPERATIONS.md has no table of log lines";
        assert_eq!(violations(&none, |_| true), [told]);
    }

    /// The contract with the service this relay replaces: operators search for these.
    #[test]
    fn o52_every_event_of_the_contract_is_there_with_its_level_and_keys() {
        let rows = rows(include_str!("../../../docs/OPERATIONS.md"));
        for (message, level, keys) in [
            ("server_claimed", "INFO", "server_id binary_version remote"),
            ("server_id_takeover", "INFO", "server_id remote"),
            ("server_id_conflict", "INFO", "server_id remote"),
            ("server_released", "INFO", "server_id"),
            (
                "phone_registered",
                "INFO",
                "server_id conn_id device_name remote",
            ),
            ("phone_register_no_server", "INFO", "server_id remote"),
            ("phone_register_at_cap", "INFO", "server_id remote"),
            ("phone_unregistered", "INFO", "server_id conn_id"),
            (
                "phone_close_notice_send_failed",
                "INFO",
                "server_id conn_id close_code err",
            ),
            ("phone_forwarder_read_end", "INFO", "server_id conn_id err"),
            (
                "phone_forwarder_send_failed",
                "INFO",
                "server_id conn_id err",
            ),
            ("phone_forwarder_no_binary", "INFO", "server_id conn_id"),
            (
                "phone_forwarder_marshal_err",
                "WARN",
                "server_id conn_id err",
            ),
            (
                "binary_forwarder_read_end",
                "INFO",
                "server_id binary_conn_id err",
            ),
            (
                "binary_forwarder_unmarshal_err",
                "WARN",
                "server_id binary_conn_id err",
            ),
            (
                "binary_forwarder_unknown_conn_id",
                "WARN",
                "server_id conn_id",
            ),
            (
                "binary_forwarder_phone_enqueue_failed",
                "INFO",
                "server_id conn_id err",
            ),
            (
                "binary_forwarder_phone_send_failed",
                "INFO",
                "server_id conn_id err",
            ),
            (
                "binary_forwarder_close_frame_send_failed",
                "INFO",
                "server_id conn_id close_code err",
            ),
            (
                "binary_forwarder_phone_closed",
                "INFO",
                "server_id conn_id close_code",
            ),
            (
                "binary_forwarder_push_wake_dropped",
                "WARN",
                "server_id binary_conn_id err",
            ),
            (
                "push_wake_sent",
                "INFO",
                "server_id token_fp duration fcm_message_id",
            ),
            (
                "push_wake_send_failed",
                "WARN",
                "server_id token_fp duration err",
            ),
            ("rate_limited", "WARN", "remote suppressed"),
            ("conn_cap_reached", "WARN", "path remote"),
            ("tightened cert cache dir perms", "INFO", "path from to"),
            ("starting metrics listener", "INFO", "listen"),
            ("listener failed", "ERROR", "addr err"),
            ("listener error; draining", "ERROR", ""),
            ("shutdown signal received; draining", "INFO", ""),
        ] {
            let row = rows.iter().find(|row| row.messages == [message]);
            let row = row.unwrap_or_else(|| panic!("no row for {message}"));
            assert_eq!(row.level, level, "{message}");
            let keys: BTreeSet<_> = keys.split_whitespace().collect();
            assert_eq!(row.keys, keys, "{message}");
        }
    }
}
