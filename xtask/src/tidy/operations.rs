//! The tables of OPERATIONS.md: every flag and every series has a row there.

use super::links::Files;
use super::monitoring::{FAMILIES, families};
use super::tokens::{Kind, tokens};

const OPERATIONS: &str = "docs/OPERATIONS.md";
const FLAGS: &str = "relay-bin/src/args/table.rs";

pub(super) fn violations(files: &Files<'_>) -> Vec<String> {
    let content = |path: &str| files.get(path).copied().unwrap_or_default();
    let named = named(content(OPERATIONS));
    let is_named = |word: &str| named.iter().any(|named| is_short_for(named, word));
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
    found
}

/// `…_x` stands for whatever ends like that.
fn is_short_for(named: &str, word: &str) -> bool {
    match named.strip_prefix('…') {
        Some(end) => word.ends_with(end),
        None => named == word,
    }
}

/// The words in backticks in the rows' first cells.
fn named(content: &str) -> Vec<&str> {
    let rows = content.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split_once(" | "))
        .flat_map(|(first, _)| first.split('`').skip(1).step_by(2))
        .collect()
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
";
    const TABLE: &str = r#"a: String { name: "a", takes: "file" } b: String { name: "b" }"#;
    const SERIES: &str = r#"text.gauge("x_one", "."); text.counter("x_two_total", ".");"#;

    fn check(document: &str, table: &str, expected: &[&str]) {
        let files = Files::from([
            (OPERATIONS, document),
            (FLAGS, table),
            (FAMILIES[0], SERIES),
        ]);
        assert_eq!(violations(&files), expected);
    }

    #[test]
    fn whole_tables_are_right() {
        check(DOCUMENT, TABLE, &[]);
    }

    #[test]
    fn what_has_no_row_is_found() {
        check(
            &DOCUMENT
                .replace("`--b`", "`--c`")
                .replace("_two_total", "_three"),
            TABLE,
            &[
                "docs/OPERATIONS.md: no row for the flag `--b`",
                "docs/OPERATIONS.md: no row for the series `x_two_total`",
            ],
        );
    }

    #[test]
    fn a_source_that_has_nothing_was_not_understood() {
        check(DOCUMENT, "", &["no flag found in the source"]);
    }
}
