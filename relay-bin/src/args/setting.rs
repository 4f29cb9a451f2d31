//! One flag's value, and whether the operator gave it.
//!
//! Presence is kept apart from the value: a flag given with its default value can still conflict with another.

use std::ffi::{OsStr, OsString};

use super::ValueError;

/// A type that a flag can have.
pub trait FlagValue: Sized {
    /// What the flag's bare name stands for; `None` when the flag needs a value.
    const IMPLIED: Option<&'static str> = None;

    /// Reads the value as typed.
    ///
    /// # Errors
    ///
    /// What the flag takes, when `raw` is something else.
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError>;

    /// Takes the value of a flag that was given again: the last one wins, unless the type collects them.
    fn repeated(&mut self, next: Self) {
        *self = next;
    }
}

/// A flag's value.
#[derive(Clone, Debug)]
pub struct Setting<T> {
    value: T,
    raw: Option<OsString>,
}

impl<T: FlagValue> Setting<T> {
    /// A flag that was not given.
    ///
    /// # Panics
    ///
    /// When the flag's own type does not take its default: a mistake in the table, met by every start and every test.
    pub(super) fn absent(default: &str) -> Self {
        let value = T::from_raw(OsStr::new(default)).expect("a flag takes its own default");
        Self { value, raw: None }
    }

    pub(super) fn set(&mut self, raw: &OsStr) -> Result<(), ValueError> {
        self.value.repeated(T::from_raw(raw)?);
        self.raw = Some(raw.to_os_string());
        Ok(())
    }
}

impl<T> Setting<T> {
    /// The value given last, or the default.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value as it was typed, when the flag was given.
    pub fn raw(&self) -> Option<&OsStr> {
        self.raw.as_deref()
    }

    /// Whether the flag was given at all, be it with its default value.
    pub fn is_present(&self) -> bool {
        self.raw.is_some()
    }
}
