//! Rules about single Rust files.

use std::ops::Range;

use super::Violation;
use super::tokens::{Token, closing, tokens};

/// Lines a file may have, test modules not counted.
const MAX_LINES: usize = 500;

/// The first line says what the file owns.
pub(super) fn opening(content: &str) -> Vec<Violation> {
    if content.starts_with("//! ") {
        Vec::new()
    } else {
        vec![Violation::at(1, "does not open with `//! `")]
    }
}

/// At most [`MAX_LINES`] lines outside of test modules.
pub(super) fn length(content: &str) -> Vec<Violation> {
    let lines = content.lines().count() - test_module_lines(content);
    if lines > MAX_LINES {
        vec![Violation::of_file(format!(
            "{lines} lines outside of tests, more than {MAX_LINES}"
        ))]
    } else {
        Vec::new()
    }
}

/// Lines of the modules under `#[cfg(test)]`.
fn test_module_lines(content: &str) -> usize {
    const CFG_TEST: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]"];
    let tokens = tokens(content);
    let mut lines = 0;
    let mut at = 0;
    while at < tokens.len() {
        let opens_module = matches(&tokens, at, CFG_TEST)
            && tokens
                .get(at + CFG_TEST.len())
                .is_some_and(|token| token.is("mod"))
            && tokens
                .get(at + CFG_TEST.len() + 2)
                .is_some_and(|token| token.is("{"));
        if opens_module {
            let close = closing(&tokens, at + CFG_TEST.len() + 2);
            lines += tokens
                .get(close)
                .or(tokens.last())
                .map_or(0, |end| end.line + 1 - tokens[at].line);
            at = close;
        }
        at += 1;
    }
    lines
}

/// Tests switched off by `#[ignore]`, plain or through `cfg_attr`.
pub(super) fn ignored_tests(content: &str) -> Vec<Violation> {
    let tokens = tokens(content);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if matches(&tokens, at, &["#", "["]) {
            let attribute = &tokens[at + 2..closing(&tokens, at + 1)];
            let conditional = attribute.first().is_some_and(|token| token.is("cfg_attr"));
            let ignores = attribute
                .iter()
                .take(if conditional { usize::MAX } else { 1 })
                .any(|token| token.is("ignore"));
            if ignores {
                found.push(Violation::at(tokens[at].line, "an ignored test"));
            }
        }
    }
    found
}

/// Sleeps on a real clock. On a paused one they wait for nothing: those in the tests of a file that start it paused
/// are let through, and those in what such tests may share.
pub(super) fn sleeps(content: &str) -> Vec<Violation> {
    let tokens = tokens(content);
    let pauses = tokens.iter().any(|token| token.is("start_paused"))
        || contains(&tokens, &["time", ":", ":", "pause"]);
    let on_a_real_clock = tests_on_a_real_clock(&tokens);
    (0..tokens.len())
        .filter(|&at| {
            let is_virtual = pauses && !on_a_real_clock.iter().any(|body| body.contains(&at));
            puts_a_thread_to_sleep(&tokens, at) || (sleeps_at(&tokens, at) && !is_virtual)
        })
        .map(|at| Violation::at(tokens[at].line, "a sleep: wait for the state instead"))
        .collect()
}

fn puts_a_thread_to_sleep(tokens: &[Token<'_>], at: usize) -> bool {
    matches(tokens, at, &["thread", ":", ":", "sleep"])
}

/// By its path, or by a name that was imported.
fn sleeps_at(tokens: &[Token<'_>], at: usize) -> bool {
    const SLEEPS: [&str; 2] = ["sleep", "sleep_until"];
    SLEEPS.iter().any(|sleep| {
        let is_imported = matches(tokens, at, &[sleep, "("])
            && at
                .checked_sub(1)
                .is_none_or(|before| ![".", ":", "fn"].iter().any(|word| tokens[before].is(word)));
        is_imported || matches(tokens, at, &["time", ":", ":", sleep, "("])
    })
}

/// The bodies of the tests that do not pause the clock.
fn tests_on_a_real_clock(tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if !matches(tokens, at, &["#", "[", "tokio", ":", ":", "test"]) {
            continue;
        }
        let end = closing(tokens, at + 1);
        let opens = (end..tokens.len()).find(|&at| tokens[at].is("{"));
        let body = opens.map(|open| open..closing(tokens, open));
        let body = body.filter(|body| {
            let starts_paused = tokens[at..end].iter().any(|token| token.is("start_paused"));
            !starts_paused && !contains(&tokens[body.clone()], &["time", ":", ":", "pause"])
        });
        found.extend(body);
    }
    found
}

fn contains(tokens: &[Token<'_>], pattern: &[&str]) -> bool {
    (0..tokens.len()).any(|at| matches(tokens, at, pattern))
}

fn matches(tokens: &[Token<'_>], at: usize, pattern: &[&str]) -> bool {
    tokens.get(at..at + pattern.len()).is_some_and(|tokens| {
        tokens
            .iter()
            .zip(pattern)
            .all(|(token, text)| token.is(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: &[Violation]) -> Vec<Option<usize>> {
        found.iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_file_opens_with_what_it_owns() {
        assert_eq!(opening("//! Owns x.\n"), []);
        for content in ["", "use x;\n", "// x\n", "//!\n", "/// x\n"] {
            assert_eq!(lines(&opening(content)), [Some(1)], "{content}");
        }
    }

    #[test]
    fn length_leaves_test_modules_out() {
        let code = "let x = 1;\n".repeat(MAX_LINES);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert_eq!(length(&code), []);
        assert_eq!(length(&format!("{code}{tests}")), []);
        assert_eq!(length(&format!("{code}\n{tests}")).len(), 1);
        assert_eq!(
            length(&format!("{code}#[cfg(test)]\nmod tests;\n")).len(),
            1
        );
    }

    #[test]
    fn finds_ignored_tests() {
        let source = "#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}\n#[cfg_attr(miri, ignore)]\nfn c() {}\n";
        assert_eq!(lines(&ignored_tests(source)), [Some(2), Some(4), Some(6)]);
        assert_eq!(
            ignored_tests("// #[ignore]\n#[serde(ignore)]\nfn f() { ignore(\"#[ignore]\") }\n"),
            []
        );
    }

    #[test]
    fn finds_sleeps() {
        let source =
            "std::thread::sleep(d);\ntokio::time::sleep(d).await;\ntime::sleep(d).await;\n";
        assert_eq!(lines(&sleeps(source)), [Some(1), Some(2), Some(3)]);
        let imported =
            "use tokio::time::{sleep, sleep_until};\nsleep(d).await;\nsleep_until(d).await;\n";
        assert_eq!(lines(&sleeps(imported)), [Some(2), Some(3)]);
        let other =
            "// thread::sleep\nlet sleep = timer();\nfn sleep() {}\ndog.sleep();\nS::sleep();";
        assert_eq!(sleeps(other), []);
    }

    #[test]
    fn a_paused_clock_may_sleep_but_not_a_thread() {
        let source =
            "#[tokio::test(start_paused = true)]\nasync fn a() { tokio::time::sleep(d).await; }\n";
        assert_eq!(sleeps(source), []);
        assert_eq!(
            lines(&sleeps(&format!("{source}thread::sleep(d);"))),
            [Some(3)]
        );
    }

    #[test]
    fn a_paused_test_excuses_what_it_may_call_and_no_other_test() {
        let source = "async fn shared() { sleep(d).await; }\n\
            #[tokio::test(start_paused = true)]\nasync fn a() { shared().await; }\n\
            #[tokio::test]\nasync fn b() { sleep(d).await; }\n\
            #[tokio::test]\nasync fn c() { time::pause(); sleep(d).await; }\n";
        assert_eq!(lines(&sleeps(source)), [Some(5)]);
    }
}
