//! The exit codes: what supervisors and deploy scripts read, and therefore API.
//!
//! It must not end the process: `main` returns the code, so that destructors run.

use std::process::ExitCode;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: the version or the usage was asked for and printed, or a signal ended the relay, also when its drain was cut at the deadline.
    Ok = 0,
    /// 1: something outside the configuration failed: a listener could not be bound or died.
    /// Trying again may help.
    Failure = 1,
    /// 2: the flags or the environment were refused before any socket was opened.
    /// Trying again does not help.
    Config = 2,
}

impl Exit {
    /// The number the operating system sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_what_the_documents_promise() {
        let codes = [Exit::Ok, Exit::Failure, Exit::Config].map(Exit::code);
        assert_eq!(codes, [0, 1, 2]);
        assert_eq!(ExitCode::from(Exit::Ok), ExitCode::SUCCESS);
    }
}
