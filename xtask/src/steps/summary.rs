//! Reads the closing lines of libtest and of cargo-nextest.

use crate::tally::Tally;

/// The counts of a summary line; `None` for every other line.
pub(super) fn parse(line: &str) -> Option<Tally> {
    let line = line.trim();
    if let Some(result) = line.strip_prefix("test result: ") {
        let (_, counts) = result.split_once(". ")?;
        return counted(counts.split(';'));
    }
    let (_, counts) = line.strip_prefix("Summary [")?.split_once(" run: ")?;
    counted(without_parentheses(counts).split(','))
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

    fn check(line: &str, expected: Option<(u64, u64)>) {
        assert_eq!(
            parse(line),
            expected.map(|(passed, failed)| Tally { passed, failed }),
            "{line}"
        );
    }

    #[test]
    fn reads_libtest() {
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            Some((12, 0)),
        );
        check(
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            Some((3, 2)),
        );
    }

    #[test]
    fn reads_nextest() {
        check(
            "     Summary [   0.123s] 12 tests run: 12 passed, 0 skipped",
            Some((12, 0)),
        );
        check(
            "     Summary [   0.123s] 1 test run: 1 passed, 3 skipped",
            Some((1, 0)),
        );
        check(
            "     Summary [   9.123s] 12 tests run: 9 passed (1 slow, 2 leaky), 1 failed, 2 timed out, 0 skipped",
            Some((9, 3)),
        );
        check(
            "     Summary [   9.123s] 7/12 tests run: 6 passed, 1 exec failed, 0 skipped",
            Some((6, 1)),
        );
    }

    #[test]
    fn ignores_other_lines() {
        check("test foo ... ok", None);
        check("running 12 tests", None);
        check("     Summary [   0.000s] 0 tests run: 0 skipped", None);
        check("Summary of nothing", None);
    }
}
