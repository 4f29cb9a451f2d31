//! How many checks passed and failed: the number every chore ends with.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;
use std::process::ExitCode;

/// Counts of passed and failed checks; prints as the closing line `N passed, N failed`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// One check, by its result.
    pub(crate) fn of_check(passed: bool) -> Self {
        if passed {
            Self {
                passed: 1,
                failed: 0,
            }
        } else {
            Self {
                passed: 0,
                failed: 1,
            }
        }
    }

    /// Zero only when nothing failed.
    pub(crate) fn exit_code(self) -> ExitCode {
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_prints_the_closing_line() {
        let sum: Tally = [
            Tally::of_check(true),
            Tally::of_check(false),
            Tally {
                passed: 40,
                failed: 0,
            },
        ]
        .into_iter()
        .sum();
        assert_eq!(sum.to_string(), "41 passed, 1 failed");
    }
}
