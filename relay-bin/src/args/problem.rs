//! What is wrong with a command line, in words for the terminal.

use std::ffi::OsString;
use std::fmt;

use thiserror::Error;

use super::ValueError;
use super::table::Usage;

/// A command line that cannot be read; its text is what belongs on stderr: a line per problem, then the usage.
#[derive(Debug)]
pub struct UsageError {
    /// Never empty.
    pub(super) problems: Vec<UsageProblem>,
}

impl UsageError {
    /// What is wrong, in the order of the arguments; never empty.
    #[must_use]
    pub fn problems(&self) -> &[UsageProblem] {
        &self.problems
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "pyrycode-relay: {problem}")?;
        }
        Usage.fmt(f)
    }
}

impl std::error::Error for UsageError {}

/// One thing wrong with the command line.
///
/// Texts show what was typed in Rust's debug notation, so that an argument with a newline stays on its line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UsageProblem {
    /// No such flag.
    #[error("unknown flag {name:?}")]
    Unknown {
        /// As typed, without its dashes.
        name: OsString,
    },
    /// `---x` or `-=x`.
    #[error("bad flag syntax {argument:?}")]
    Malformed {
        /// As typed.
        argument: OsString,
    },
    /// The flag is the last argument and needs a value.
    #[error("flag --{name} needs a value")]
    MissingValue {
        /// The flag's name.
        name: &'static str,
    },
    /// The value is not of the flag's kind.
    #[error("flag --{name} does not take {raw:?}: {source}")]
    BadValue {
        /// The flag's name.
        name: &'static str,
        /// As typed.
        raw: OsString,
        /// What the flag takes.
        source: ValueError,
    },
}
