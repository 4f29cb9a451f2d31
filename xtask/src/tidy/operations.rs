//! The tables of OPERATIONS.md: what an operator meets has a row there, and no row is about what is gone.

use std::collections::BTreeSet;

use super::is_test;
use super::links::Files;
use super::log_keys::messages;
use super::monitoring::{FAMILIES, families};
use super::tokens::{Kind, tokens};

const OPERATIONS: &str = "docs/OPERATIONS.md";
const FLAGS: &str = "relay-bin/src/args/table.rs";

/// The words in backticks in a row's first cell, and its second cell.
type Row<'d> = (Vec<&'d str>, &'d str);

pub(super) fn violations(files: &Files<'_>) -> Vec<String> {
    let content = |path: &str| files.get(path).copied().unwrap_or_default();
    let rows = rows(content(OPERATIONS));
    let is_named = |word: &str| {
        let mut named = rows.iter().flat_map(|(words, _)| words);
        named.any(|named| is_short_for(named, word))
    };
    let mut found = Vec::new();
    let mut want = |what: &str, words: Vec<String>| {
        if words.is_empty() {
            found.push(format!("no {what} found in the source"));
        }
        let missing = words.into_iter().filter(|word| !is_named(word));
        found.extend(missing.map(|word| format!("{OPERATIONS}: no row for the {what} `{word}`")));
    };
    want("flag", flags(content(FLAGS)));
    let series = FAMILIES.iter().flat_map(|path| families(content(path)));
    want("series", series.map(str::to_owned).collect());

    let sources = files
        .iter()
        .filter(|(path, _)| path.starts_with("crates/") || path.starts_with("relay-bin/src/"))
        .filter(|(path, _)| path.ends_with(".rs") && !is_test(path));
    let told: BTreeSet<_> = sources.flat_map(|(_, source)| messages(source)).collect();
    want(
        "log line",
        told.iter().map(|(_, message)| message.clone()).collect(),
    );
    let documented = rows.iter().filter(|(_, level)| is_level(level));
    for (words, level) in documented {
        for word in words {
            if !told.contains(&(*level, (*word).to_owned())) {
                found.push(format!("{OPERATIONS}: nothing logs `{word}` at {level}"));
            }
        }
    }
    found
}

/// `…_x` stands for whatever ends like that.
fn is_short_for(named: &str, word: &str) -> bool {
    match named.strip_prefix('…') {
        Some(end) => word.ends_with(end),
        None => named == word,
    }
}

fn is_level(cell: &&str) -> bool {
    matches!(*cell, "INFO" | "WARN" | "ERROR")
}

fn rows(content: &str) -> Vec<Row<'_>> {
    let cells = content.lines().filter_map(|line| {
        let (first, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        let second = rest.split(" | ").next()?;
        Some((first.split('`').skip(1).step_by(2).collect(), second.trim()))
    });
    cells.collect()
}

/// The names in the flag table, as they are given.
fn flags(source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let entries = tokens
        .windows(3)
        .filter(|entry| entry[0].is("name") && entry[1].is(":") && entry[2].kind == Kind::Str);
    entries
        .map(|entry| format!("--{}", entry[2].text.trim_matches('"')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
| Flag | Takes |
|---|---|
| `--a`, `--b` | file |
| `x_one`, `…_two_total` | gauge |
| `started` | INFO | – |
| `it failed` | WARN | `err` |
";
    const TABLE: &str = r#"a: String { name: "a", takes: "file" } b: String { name: "b" }"#;
    const SERIES: &str = r#"text.gauge("x_one", "."); text.counter("x_two_total", ".");"#;
    const SOURCE: &str =
        r#"fn f() { info!("started"); warn!(%err, "it failed"); debug!("not told"); }"#;

    fn check(document: &str, source: &str, expected: &[&str]) {
        let files = Files::from([
            (OPERATIONS, document),
            (FLAGS, TABLE),
            (FAMILIES[0], SERIES),
            ("crates/a/src/lib.rs", source),
            ("crates/a/src/tests.rs", r#"info!("in a test")"#),
        ]);
        assert_eq!(violations(&files), expected);
    }

    #[test]
    fn whole_tables_are_right() {
        check(DOCUMENT, SOURCE, &[]);
    }

    #[test]
    fn what_has_no_row_is_found() {
        check(
            &DOCUMENT
                .replace("`--b`", "`--c`")
                .replace("_two_total", "_three"),
            &SOURCE.replace("not told\")", "x\"); error!(\"gone wrong\")"),
            &[
                "docs/OPERATIONS.md: no row for the flag `--b`",
                "docs/OPERATIONS.md: no row for the series `x_two_total`",
                "docs/OPERATIONS.md: no row for the log line `gone wrong`",
            ],
        );
    }

    #[test]
    fn rows_about_what_is_gone_or_louder_are_found() {
        check(
            DOCUMENT,
            r#"fn f() { info!("started"); error!("it failed"); }"#,
            &["docs/OPERATIONS.md: nothing logs `it failed` at WARN"],
        );
    }

    #[test]
    fn a_source_that_has_nothing_was_not_understood() {
        check(
            DOCUMENT,
            "",
            &[
                "no log line found in the source",
                "docs/OPERATIONS.md: nothing logs `started` at INFO",
                "docs/OPERATIONS.md: nothing logs `it failed` at WARN",
            ],
        );
    }
}
