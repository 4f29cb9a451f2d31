//! The repository rules that neither rustc nor clippy can state.
//!
//! Each rule is a pure function from text to violations; this file walks the repository and prints.

mod edges;
mod held_by;
mod links;
pub(crate) mod log_keys;
mod log_table;
pub(crate) mod monitoring;
mod operations;
pub(crate) mod promql;
mod source;
mod text;
mod tokens;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::tally::Tally;
use crate::workspace::Workspace;

/// Directories that hold nothing we wrote.
const SKIPPED_DIRECTORIES: &[&str] = &["target", ".git", "artifacts", "corpus"];

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    /// Line in the file, from 1; `None` when the rule is about the file as a whole.
    line: Option<usize>,
    text: String,
}

impl Violation {
    fn at(line: usize, text: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            text: text.into(),
        }
    }

    fn of_file(text: impl Into<String>) -> Self {
        Self {
            line: None,
            text: text.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.text),
            None => write!(f, " {}", self.text),
        }
    }
}

/// A file of the repository, read.
struct SourceFile {
    /// Relative to the root, with forward slashes.
    path: String,
    content: String,
}

/// A rule about single files: which files it reads, and what it finds in one.
struct FileRule {
    name: &'static str,
    applies: fn(&str) -> bool,
    check: fn(&SourceFile) -> Vec<Violation>,
}

const FILE_RULES: &[FileRule] = &[
    FileRule {
        name: "plain text: no tabs, no trailing blanks, one final newline",
        applies: text::is_ours,
        check: |file| text::violations(&file.content),
    },
    FileRule {
        name: "a Rust file opens with `//!`",
        applies: is_rust,
        check: |file| source::opening(&file.content),
    },
    FileRule {
        name: "a Rust file has at most 500 lines outside of tests",
        applies: |path| is_rust(path) && !is_test(path),
        check: |file| source::length(&file.content),
    },
    FileRule {
        name: "no test is ignored",
        applies: is_rust,
        check: |file| source::ignored_tests(&file.content),
    },
    FileRule {
        name: "no test sleeps",
        applies: |path| is_rust(path) && (is_test(path) || path.starts_with("xtask/src/e2e")),
        check: |file| source::sleeps(&file.content),
    },
    FileRule {
        name: "log events have a literal message and keys of the closed set",
        applies: logs,
        check: |file| log_keys::violations(&file.content),
    },
];

/// Checks every rule and prints what is broken; each rule counts as one check.
pub(crate) fn run(workspace: &Workspace) -> Tally {
    let files = match read_files(workspace.root()) {
        Ok(files) => files,
        Err(error) => {
            println!("FAIL the repository cannot be read: {error:#}");
            return Tally::of_check(false);
        }
    };
    let by_path: links::Files<'_> = files
        .iter()
        .map(|file| (file.path.as_str(), file.content.as_str()))
        .collect();

    let mut tally: Tally = FILE_RULES
        .iter()
        .map(|rule| {
            let found = files
                .iter()
                .filter(|file| (rule.applies)(&file.path))
                .flat_map(|file| {
                    (rule.check)(file)
                        .into_iter()
                        .map(|violation| format!("{}:{violation}", file.path))
                });
            report(rule.name, found.collect())
        })
        .sum();
    let dangling = by_path
        .keys()
        .filter(|path| path.ends_with(".md"))
        .flat_map(|path| {
            links::dangling(path, &by_path)
                .into_iter()
                .map(move |violation| format!("{path}:{violation}"))
        });
    tally += report("relative Markdown links lead somewhere", dangling.collect());
    tally += report(
        "alerts and dashboard ask only for series there are",
        monitoring::violations(&by_path),
    );
    tally += report(
        "the operator's table has every log line, with its level and keys",
        log_table::violations(&by_path, logs),
    );
    tally += report(
        "threat model and invariants name tests there are",
        held_by::violations(&by_path),
    );
    tally += report(
        "the operator's tables name every flag and every series",
        operations::violations(&by_path),
    );
    tally += report(
        "crates depend only on what they may",
        edges::violations_of(workspace).unwrap_or_else(|error| vec![format!("{error:#}")]),
    );
    tally
}

fn report(rule: &str, found: Vec<String>) -> Tally {
    println!("{} {rule}", if found.is_empty() { "ok  " } else { "FAIL" });
    for violation in &found {
        println!("     {violation}");
    }
    Tally::of_check(found.is_empty())
}

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Whether a file may hold events of the relay.
fn logs(path: &str) -> bool {
    is_rust(path)
        && !is_test(path)
        && (path.starts_with("crates/") || path.starts_with("relay-bin/src/"))
}

/// Whether all of a file is test code.
fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "examples"))
}

/// Every text file below `root` that somebody here wrote.
fn read_files(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for path in entries(&directory)? {
            let skipped = path
                .file_name()
                .is_some_and(|name| SKIPPED_DIRECTORIES.iter().any(|skip| name == *skip));
            if path.is_dir() {
                if !skipped {
                    pending.push(path);
                }
            } else if let Some(file) = read_text(root, &path)? {
                files.push(file);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn entries(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("could not list {}", directory.display()))
}

/// The file, unless it is not text.
fn read_text(root: &Path, path: &Path) -> anyhow::Result<Option<SourceFile>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    let relative = path
        .strip_prefix(root)
        .context("a walk stays below its root")?;
    let relative = relative
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect::<Vec<_>>()
        .join("/");
    Ok(String::from_utf8(bytes).ok().map(|content| SourceFile {
        path: relative,
        content,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_test_files_by_their_path() {
        for path in [
            "crates/a/tests/b.rs",
            "crates/a/src/b/tests.rs",
            "crates/a/examples/c.rs",
        ] {
            assert!(is_test(path), "{path}");
        }
        for path in [
            "crates/a/src/attests.rs",
            "crates/a/src/tests_of.rs",
            "xtask/src/e2e/mod.rs",
        ] {
            assert!(!is_test(path), "{path}");
        }
    }

    #[test]
    fn every_rule_reads_some_file_of_this_repository() {
        let workspace = Workspace::locate().unwrap();
        let files = read_files(workspace.root()).unwrap();
        for rule in FILE_RULES {
            assert!(
                files.iter().any(|file| (rule.applies)(&file.path))
                    || rule.name == "no test sleeps",
                "{}",
                rule.name
            );
        }
    }
}
