//! The threat model names the tests that hold it: they must be there.

use std::collections::BTreeSet;

use super::links::Files;
use super::tokens::{Kind, tokens};

const THREAT_MODEL: &str = "docs/SECURITY.md";

/// The heading of the column with tests' names.
const COLUMN: &str = "Held by";

/// Names in the last column of the threat model's tables that no function has.
pub(super) fn violations(files: &Files<'_>) -> Vec<String> {
    let Some(content) = files.get(THREAT_MODEL) else {
        return vec![format!("{THREAT_MODEL} is missing")];
    };
    let functions: BTreeSet<&str> = files
        .iter()
        .filter(|(path, _)| path.ends_with(".rs"))
        .flat_map(|(_, source)| functions(source))
        .collect();
    let mut named = names(content).peekable();
    if named.peek().is_none() {
        return vec![format!("{THREAT_MODEL} names no tests")];
    }
    named
        .filter(|(_, name)| !functions.contains(name))
        .map(|(line, name)| format!("{THREAT_MODEL}:{line}: no test is named `{name}`"))
        .collect()
}

/// What stands in backticks in the last cells of tables with the column.
fn names(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut held_by = false;
    (1..)
        .zip(content.lines())
        .filter_map(move |(number, line)| {
            let cell = line.strip_prefix('|').and_then(|row| {
                let (_, cell) = row.strip_suffix('|')?.rsplit_once('|')?;
                Some(cell)
            });
            held_by = cell.is_some_and(|cell| held_by || cell.trim() == COLUMN);
            Some((number, cell.filter(|_| held_by)?))
        })
        .flat_map(|(number, cell)| {
            let quoted = cell.split('`').skip(1).step_by(2);
            quoted.map(move |name| (number, name))
        })
}

fn functions(source: &str) -> Vec<&str> {
    let tokens = tokens(source);
    tokens
        .windows(2)
        .filter(|pair| pair[0].is("fn") && pair[1].kind == Kind::Ident)
        .map(|pair| pair[1].text)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expected: &[&str]) {
        let files = Files::from([
            (THREAT_MODEL, document),
            (
                "a/tests.rs",
                "#[test]\nasync fn it_holds() {} // fn gone() {}\n",
            ),
        ]);
        assert_eq!(violations(&files), expected);
    }

    #[test]
    fn finds_names_that_no_test_has() {
        let table = "| Threat | Held by |\n|---|---|\n| `gone` | `it_holds` |\n| x | `it_holds`, `gone` |\n| y | – |\n";
        check(table, &["docs/SECURITY.md:4: no test is named `gone`"]);
        check(
            &format!(
                "| a | b |\n|---|---|\n| x | `gone` |\n\n{}",
                table.replace("`gone`", "`it_holds`")
            ),
            &[],
        );
    }

    #[test]
    fn a_model_that_names_nothing_was_not_understood() {
        check(
            "| Threat | Test |\n|---|---|\n| x | `gone` |\n",
            &["docs/SECURITY.md names no tests"],
        );
        assert_eq!(violations(&Files::new()), ["docs/SECURITY.md is missing"]);
    }
}
