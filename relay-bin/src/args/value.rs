//! The syntax of flag values: Go's `strconv` and `time.ParseDuration` for what operators already write, and sizes.

use std::ffi::OsStr;
use std::time::Duration;

use relay_transport::Cidr;
use thiserror::Error;

use super::FlagValue;
use crate::logging::LogFormat;

#[cfg(test)]
mod tests;

/// Why a value was refused: what its flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The bytes are not text.
    #[error("not valid UTF-8")]
    NotUtf8,
    /// Not one of Go's spellings of a boolean.
    #[error("want true or false")]
    NotBoolean,
    /// Not an integer of 64 bits.
    #[error("want a 64-bit integer such as 10000 or 0x2710")]
    NotInteger,
    /// Not a duration, negative, or longer than 292 years.
    #[error("want a duration such as 10s, 1m30s or 500ms")]
    NotDuration,
    /// Not a number of bytes below 2^64.
    #[error("want bytes, or a whole number of KiB, MiB, GiB, KB, MB or GB such as 256MiB")]
    NotSize,
    /// Not a block of IP addresses.
    #[error("want an IP address, or a block of them such as 10.0.0.0/8")]
    NotCidr,
    /// Not one of the names.
    #[error("want logfmt or json")]
    NotLogFormat,
}

/// A number of bytes: plain, or with a suffix (`KiB` is 1024, `KB` is 1000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Names; each further flag adds one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// Blocks of IP addresses; each further flag adds one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cidrs(pub Vec<Cidr>);

impl FlagValue for String {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        text(raw).map(str::to_owned)
    }
}

impl FlagValue for bool {
    const IMPLIED: Option<&'static str> = Some("true");

    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        match text(raw)? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(ValueError::NotBoolean),
        }
    }
}

impl FlagValue for i64 {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        integer(text(raw)?).ok_or(ValueError::NotInteger)
    }
}

impl FlagValue for Duration {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        duration(text(raw)?).ok_or(ValueError::NotDuration)
    }
}

impl FlagValue for ByteSize {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        size(text(raw)?).map(Self).ok_or(ValueError::NotSize)
    }
}

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

impl FlagValue for LogFormat {
    fn from_raw(raw: &OsStr) -> Result<Self, ValueError> {
        match text(raw)? {
            "logfmt" => Ok(Self::Logfmt),
            "json" => Ok(Self::Json),
            _ => Err(ValueError::NotLogFormat),
        }
    }
}

fn text(raw: &OsStr) -> Result<&str, ValueError> {
    raw.to_str().ok_or(ValueError::NotUtf8)
}

/// Go's integer literals: a sign, `0x`, `0o`, `0b` or a bare `0` for octal, and `_` between digits.
fn integer(text: &str) -> Option<i64> {
    let (sign, magnitude) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (radix, digits) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &magnitude[2..]),
        [b'0', b'o' | b'O', ..] => (8, &magnitude[2..]),
        [b'0', b'b' | b'B', ..] => (2, &magnitude[2..]),
        [b'0', _, ..] => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    let misplaced =
        digits.ends_with('_') || digits.contains("__") || (radix == 10 && digits.starts_with('_'));
    // `from_str_radix` would take a second sign.
    if misplaced || digits.contains(['+', '-']) {
        return None;
    }
    // The sign goes in with the digits: the least i64 has no positive counterpart.
    i64::from_str_radix(&format!("{sign}{}", digits.replace('_', "")), radix).ok()
}

/// Go's durations, without the negative ones: `0`, or numbers with a unit, one after the other.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u64 = 0;
    loop {
        let (number, tail) = rest.split_at(rest.find(|c: char| !is_numeric(c))?);
        let (unit, tail) = tail.split_at(tail.find(is_numeric).unwrap_or(tail.len()));
        total = total.checked_add(scaled(number, nanoseconds(unit)?)?)?;
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    // Go's limit.
    i64::try_from(total)
        .is_ok()
        .then_some(Duration::from_nanos(total))
}

fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn nanoseconds(unit: &str) -> Option<u64> {
    match unit {
        "ns" => Some(1),
        // The letter u, the micro sign, the Greek mu.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

/// A decimal `number` times `unit`, in whole nanoseconds; what is smaller is cut off.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // An hour has 3.6e12 ns: digits past the fifteenth are worth less than one.
    let fraction = &fraction[..fraction.len().min(15)];
    let mut part = 0;
    let mut parts = 1;
    for digit in fraction.bytes() {
        part = part * 10 + u128::from(digit - b'0');
        parts *= 10;
    }
    let part = u64::try_from(part * u128::from(unit) / parts).ok()?;
    let whole = match whole {
        "" => 0,
        whole => whole.parse::<u64>().ok()?,
    };
    whole.checked_mul(unit)?.checked_add(part)
}

fn size(text: &str) -> Option<u64> {
    const SUFFIXES: &[(&str, u64)] = &[
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("", 1),
    ];
    let (digits, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}
