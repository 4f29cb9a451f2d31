//! The log fields of a problem.

use super::PRODUCTION;

/// What a problem's record says beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fields<'p> {
    /// The address at fault.
    pub addr: Option<&'p str>,
    /// The value at fault.
    pub value: Option<&'p str>,
    /// The variable at fault.
    pub env_var: Option<&'static str>,
    /// What is wrong with the variable.
    pub reason: Option<&'p str>,
    /// The variable that lets it pass.
    pub bypass_env_var: Option<&'static str>,
    /// Whom the process acts as.
    pub effective_uid: Option<u32>,
    /// What to do instead.
    pub fix: &'static str,
}

impl<'p> Fields<'p> {
    pub(super) fn fix(fix: &'static str) -> Self {
        Self {
            fix,
            ..Self::default()
        }
    }

    pub(super) fn in_production(fix: &'static str) -> Self {
        Self {
            env_var: Some(PRODUCTION),
            ..Self::fix(fix)
        }
    }

    pub(super) fn value(value: &'p str, fix: &'static str) -> Self {
        Self {
            value: Some(value),
            ..Self::fix(fix)
        }
    }
}
