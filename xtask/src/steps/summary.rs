//! Reads the closing lines of libtest and of cargo-nextest.

use crate::tally::Tally;

/// Who runs the tests. A line counts only in its runner's own form: what nextest shows of a failed test ends with
/// libtest's summary of that one test, which nextest has counted already.
#[derive(Debug, Clone, Copy)]
pub(super) enum Runner {
    Libtest,
    Nextest,
}

impl Runner {
    /// The counts of a summary line; `None` for every other line.
    pub(super) fn summary(self, line: &str) -> Option<Tally> {
        let line = line.trim();
        match self {
            Self::Libtest => {
                let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
                counted(counts.split(';'))
            }
            Self::Nextest => {
                let (_, counts) = line.strip_prefix("Summary [")?.split_once(" run: ")?;
                counted(without_parentheses(counts).split(','))
            }
        }
    }
}

/// Sums items such as `12 passed`, `1 timed out`; kinds that are neither a pass nor a failure count as nothing.
fn counted<'l>(items: impl Iterator<Item = &'l str>) -> Option<Tally> {
    let mut tally = Tally::default();
    let mut found = false;
    for item in items {
        let Some((count, kind)) = item.trim().split_once(' ') else {
            continue;
        };
        let Ok(count) = count.parse::<u64>() else {
            continue;
        };
        match kind {
            "passed" => tally.passed += count,
            "failed" | "timed out" | "exec failed" => tally.failed += count,
            _ => continue,
        }
        found = true;
    }
    found.then_some(tally)
}

/// Drops remarks such as `(1 slow, 2 leaky)`, whose tests are counted outside of them.
fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|&letter| {
            match letter {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect::<String>()
        .replace(" ,", ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, line: &str, expected: Option<(u64, u64)>) {
        let expected = expected.map(|(passed, failed)| Tally { passed, failed });
        assert_eq!(runner.summary(line), expected, "{line}");
    }

    #[test]
    fn reads_libtest() {
        let check = |line, expected| check(Runner::Libtest, line, expected);
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.01s",
            Some((12, 0)),
        );
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured",
            Some((3, 2)),
        );
    }

    #[test]
    fn reads_nextest() {
        let check = |line, expected| check(Runner::Nextest, line, expected);
        check(
            "     Summary [   0.123s] 12 tests run: 12 passed, 0 skipped",
            Some((12, 0)),
        );
        check(
            "     Summary [   0.123s] 1 test run: 1 passed, 3 skipped",
            Some((1, 0)),
        );
        let mixed = "     Summary [   9.123s] 12 tests run: 9 passed (1 slow, 2 leaky), 1 failed, 2 timed out, 0 skipped";
        check(mixed, Some((9, 3)));
        check(
            "     Summary [   9.123s] 7/12 tests run: 6 passed, 1 exec failed, 0 skipped",
            Some((6, 1)),
        );
    }

    #[test]
    fn a_runner_does_not_read_the_lines_of_the_other() {
        check(
            Runner::Nextest,
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured",
            None,
        );
        check(
            Runner::Libtest,
            "     Summary [   0.123s] 12 tests run: 12 passed, 0 skipped",
            None,
        );
    }

    #[test]
    fn ignores_other_lines() {
        for runner in [Runner::Libtest, Runner::Nextest] {
            check(runner, "test foo ... ok", None);
            check(runner, "running 12 tests", None);
            check(
                runner,
                "     Summary [   0.000s] 0 tests run: 0 skipped",
                None,
            );
            check(runner, "Summary of nothing", None);
        }
    }
}
