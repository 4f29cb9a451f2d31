//! Rules about every text file.

use super::Violation;

/// Whether a file is written by hand and ours to shape.
pub(super) fn is_ours(path: &str) -> bool {
    const EXTENSIONS: &[&str] = &[
        ".rs",
        ".toml",
        ".md",
        ".sh",
        ".yml",
        ".yaml",
        ".json",
        ".ci/run",
        "LICENSE",
        ".gitignore",
        ".dockerignore",
        ".service",
        "Dockerfile",
    ];
    EXTENSIONS.iter().any(|extension| path.ends_with(extension))
}

/// Tabs, trailing blanks, carriage returns, and a missing or doubled final newline.
pub(super) fn violations(content: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(content.split('\n')) {
        if line.contains('\t') {
            found.push(Violation::at(number, "a tab"));
        }
        if line.ends_with([' ', '\t', '\r']) {
            found.push(Violation::at(number, "trailing whitespace"));
        }
    }
    if !content.is_empty() && !content.ends_with('\n') {
        found.push(Violation::of_file("the last line does not end"));
    } else if content.ends_with("\n\n") {
        found.push(Violation::of_file("blank lines at the end"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_text() {
        assert_eq!(violations("one\n\n    two\n"), []);
        assert_eq!(violations(""), []);
    }

    #[test]
    fn finds_each_offence_with_its_line() {
        assert_eq!(violations("one\n\ttwo\n"), [Violation::at(2, "a tab")]);
        assert_eq!(
            violations("one \ntwo\n"),
            [Violation::at(1, "trailing whitespace")]
        );
        assert_eq!(
            violations("one\r\n"),
            [Violation::at(1, "trailing whitespace")]
        );
        assert_eq!(
            violations("one"),
            [Violation::of_file("the last line does not end")]
        );
        assert_eq!(
            violations("one\n\n"),
            [Violation::of_file("blank lines at the end")]
        );
    }
}
