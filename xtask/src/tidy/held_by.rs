//! The threat model and the table of invariants name the tests that hold them: they must be there.

use std::collections::BTreeSet;

use super::links::Files;
use super::tokens::{Kind, tokens};

/// Documents with such tables, and the heading of the column that names tests.
const DOCUMENTS: &[(&str, &str)] = &[
    ("docs/ARCHITECTURE.md", "Test"),
    ("docs/SECURITY.md", "Held by"),
];

/// What may be left out of a name: there is at least one test that begins so.
const REST: char = '…';

/// Names in the last column of the documents' tables that no function, module or file has.
pub(super) fn violations(files: &Files<'_>) -> Vec<String> {
    let sources = files.iter().filter(|(path, _)| path.ends_with(".rs"));
    let functions: BTreeSet<&str> = sources.flat_map(|(_, source)| functions(source)).collect();
    let is_there = |name: &str| is_there(name, files, &functions);
    DOCUMENTS
        .iter()
        .flat_map(|(document, column)| match files.get(document) {
            Some(content) => missing(document, content, column, is_there),
            None => vec![format!("{document} is missing")],
        })
        .collect()
}

fn missing(
    document: &str,
    content: &str,
    column: &str,
    is_there: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut named = names(content, column).peekable();
    if named.peek().is_none() {
        return vec![format!("{document} names no tests")];
    }
    named
        .filter(|(_, name)| !is_there(name))
        .map(|(line, name)| format!("{document}:{line}: no test is named `{name}`"))
        .collect()
}

/// A file by the end of its path; else a function by the end of its path, or the beginning of its name; else a module.
fn is_there(name: &str, files: &Files<'_>, functions: &BTreeSet<&str>) -> bool {
    if name.ends_with(".rs") {
        let ending = format!("/{name}");
        return files.keys().any(|path| path.ends_with(&ending));
    }
    let (module, function) = name.rsplit_once("::").unwrap_or(("", name));
    match function.strip_suffix(REST) {
        None => functions.contains(function),
        Some("") => {
            let module = module.rsplit("::").next().unwrap_or_default();
            let (file, folder) = (format!("/{module}.rs"), format!("/{module}/"));
            files
                .keys()
                .any(|path| path.ends_with(&file) || path.contains(&folder))
        }
        Some(beginning) => functions
            .range(beginning..)
            .next()
            .is_some_and(|function| function.starts_with(beginning)),
    }
}

/// What stands in backticks in the last cells of tables with the column.
fn names<'c>(content: &'c str, column: &str) -> impl Iterator<Item = (usize, &'c str)> {
    let mut is_wanted = false;
    (1..)
        .zip(content.lines())
        .filter_map(move |(number, line)| {
            let cell = line.strip_prefix('|').and_then(|row| {
                let (_, cell) = row.strip_suffix('|')?.rsplit_once('|')?;
                Some(cell)
            });
            is_wanted = cell.is_some_and(|cell| is_wanted || cell.trim() == column);
            Some((number, cell.filter(|_| is_wanted)?))
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

    const THREATS: &str = "docs/SECURITY.md";
    const INVARIANTS: &str = "docs/ARCHITECTURE.md";

    fn check(threats: &str, invariants: &str, expected: &[&str]) {
        let files = Files::from([
            (THREATS, threats),
            (INVARIANTS, invariants),
            (
                "a/tests/deep.rs",
                "#[test]\nasync fn it_holds() {} // fn gone() {}\nfn c07_case() {}\n",
            ),
        ]);
        assert_eq!(violations(&files), expected);
    }

    const HELD: &str = "| x | Held by |\n|---|---|\n| x | `it_holds` |\n";
    const TESTED: &str = "| x | Test |\n|---|---|\n| x | `it_holds` |\n";

    #[test]
    fn finds_names_that_no_test_has() {
        let table = "| Threat | Held by |\n|---|---|\n| `gone` | `it_holds` |\n| x | `it_holds`, `gone` |\n| y | – |\n";
        check(
            table,
            TESTED,
            &["docs/SECURITY.md:4: no test is named `gone`"],
        );
        check(
            &format!(
                "| a | b |\n|---|---|\n| x | `gone` |\n\n{}",
                table.replace("`gone`", "`it_holds`")
            ),
            TESTED,
            &[],
        );
    }

    #[test]
    fn a_name_may_be_a_path_a_beginning_a_module_or_a_file() {
        let row = |name: &str| TESTED.replace("it_holds", name);
        for name in [
            "deep::it_holds",
            "c07_…",
            "deep::c07_…",
            "tests::…",
            "tests::deep::…",
            "tests/deep.rs",
        ] {
            check(HELD, &row(name), &[]);
        }
        for name in ["deep::gone", "c08_…", "shallow::…", "tests/shallow.rs", "…"] {
            let expected = format!("docs/ARCHITECTURE.md:3: no test is named `{name}`");
            check(HELD, &row(name), &[&expected]);
        }
    }

    #[test]
    fn a_document_that_names_nothing_was_not_understood() {
        check(
            "| Threat | Why |\n|---|---|\n| x | `gone` |\n",
            TESTED,
            &["docs/SECURITY.md names no tests"],
        );
        assert_eq!(
            violations(&Files::new()),
            [
                "docs/ARCHITECTURE.md is missing",
                "docs/SECURITY.md is missing"
            ]
        );
    }
}
