//! Values of flags that collect: each further flag adds one.

use std::ffi::OsStr;

use relay_transport::Cidr;

use super::value::text;
use super::{FlagValue, ValueError};

/// Names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// Blocks of IP addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cidrs(pub Vec<Cidr>);

impl FlagValue for Cidrs {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        match text(raw)? {
            "" => Ok(Self::default()),
            text => {
                let block = text.parse().map_err(|_| ValueError::NotCidr)?;
                Ok(Self(vec![block]))
            }
        }
    }

    fn repeated(&mut self, next: Self) {
        self.0.extend(next.0);
    }
}

impl FlagValue for Names {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        let name = text(raw)?;
        let names = (!name.is_empty()).then(|| name.to_owned());
        Ok(Self(Vec::from_iter(names)))
    }

    fn repeated(&mut self, next: Self) {
        self.0.extend(next.0);
    }
}
