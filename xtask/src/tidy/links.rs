//! Markdown links to files of the repository and to headings in them.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;

/// The files of the repository, by path from the root.
pub(super) type Files<'f> = BTreeMap<&'f str, &'f str>;

/// Relative links in the Markdown file at `path` that lead to no file, no directory or no heading.
pub(super) fn dangling(path: &str, files: &Files<'_>) -> Vec<Violation> {
    let content = files.get(path).copied().unwrap_or_default();
    links(content)
        .into_iter()
        .filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"))
        .filter(|(_, target)| !leads_somewhere(path, target, files))
        .map(|(line, target)| Violation::at(line, format!("`{target}` leads nowhere")))
        .collect()
}

/// Whether the file at `path` may link to `target`.
pub(super) fn leads_somewhere(path: &str, target: &str, files: &Files<'_>) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if file.is_empty() {
        Some(path.to_owned())
    } else {
        resolve(path, file)
    };
    let Some(resolved) = resolved else {
        return false;
    };
    if anchor.is_empty() || !resolved.ends_with(".md") {
        return exists(&resolved, files);
    }
    files
        .get(resolved.as_str())
        .is_some_and(|content| anchors(content).contains(anchor))
}

/// Link targets with their lines, outside of code.
fn links(content: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(content) {
        if let Some((label, target)) = line.split_once("]: ")
            && label.starts_with('[')
        {
            found.extend(
                target
                    .split_whitespace()
                    .next()
                    .map(|target| (number, target)),
            );
        }
        // Every second part of a line split at backticks is inline code; a link around code opens in one part
        // and ends in the next but one, so the part behind it begins with `](`.
        for (index, part) in line.split('`').enumerate() {
            if index % 2 == 0 {
                let targets = part
                    .split("](")
                    .skip(1)
                    .filter_map(|rest| rest.split([')', ' ']).next());
                found.extend(targets.map(|target| (number, target)));
            }
        }
    }
    found
}

/// Lines outside of fenced code, with their numbers.
fn prose(content: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(content.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The anchors GitHub makes of the headings: lower case, punctuation dropped, blanks to hyphens, repeats numbered.
fn anchors(content: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(content) {
        let text = line.trim_start_matches('#');
        if text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let slug: String = text
            .trim()
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ if letter.is_alphanumeric() => letter.to_lowercase().next(),
                _ => None,
            })
            .collect();
        let repeat = (1..).map(|number| format!("{slug}-{number}"));
        found.extend(
            std::iter::once(slug.clone())
                .chain(repeat)
                .find(|anchor| !found.contains(anchor)),
        );
    }
    found
}

/// `target` as seen from the file at `path`, as a path from the root; `None` when it climbs out of it.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Whether there is such a file or directory.
fn exists(path: &str, files: &Files<'_>) -> bool {
    let in_directory = format!("{path}/");
    path.is_empty()
        || files.contains_key(path)
        || files
            .range(in_directory.as_str()..)
            .next()
            .is_some_and(|(file, _)| file.starts_with(&in_directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &str, expected: &[&str]) {
        let files = Files::from([
            ("README.md", "# Title\n"),
            ("docs/A.md", content),
            (
                "docs/adr/0001.md",
                "# One\n\n## Why `this`, and not that?\n\n## Again\n\n## Again\n\n```sh\n# no heading\n```\n",
            ),
            ("crates/x/src/lib.rs", ""),
        ]);
        let found: Vec<String> = dangling("docs/A.md", &files)
            .into_iter()
            .map(|violation| violation.text)
            .collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|target| format!("`{target}` leads nowhere"))
            .collect();
        assert_eq!(found, expected, "{content}");
    }

    #[test]
    fn accepts_files_directories_headings_and_the_web() {
        check(
            "[a](../README.md) [b](adr) [c](adr/0001.md) [d](../crates/x/) [e](https://x.test/y#z)",
            &[],
        );
        check(
            "# Here we are\n[a](#here-we-are) [b](adr/0001.md#why-this-and-not-that) [c](adr/0001.md#again-1)",
            &[],
        );
        check("[`lib`](../crates/x/src/lib.rs)", &[]);
        check("[a]: ../README.md\n", &[]);
    }

    #[test]
    fn finds_links_that_lead_nowhere() {
        check(
            "[a](B.md) and [b](../../outside.md)",
            &["B.md", "../../outside.md"],
        );
        check("[`code`](gone.rs)", &["gone.rs"]);
        check("[a]: gone.md\n", &["gone.md"]);
        check("![picture](gone.svg \"title\")", &["gone.svg"]);
        check(
            "[a](#nowhere) [b](adr/0001.md#two) [c](adr/0001.md#no-heading)",
            &["#nowhere", "adr/0001.md#two", "adr/0001.md#no-heading"],
        );
        check("[a](ad)", &["ad"]);
    }

    #[test]
    fn leaves_code_alone() {
        check("```text\n[a](gone.md)\n```\n", &[]);
        check("the form `[text](target)` is a link", &[]);
    }
}
