//! Go's grammar of flags, read slowly: which flags a command line gives, each with its value.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use relay_bin::args;

/// What the words of a command line say, whatever the values.
#[derive(Debug)]
pub(super) enum Reading {
    /// Asked for before anything was wrong.
    Help,
    /// Something is wrong with a flag's name.
    Broken,
    /// The same flags, each as `--name=value`.
    Flags(Vec<OsString>),
}

pub(super) fn read(arguments: &[OsString]) -> Reading {
    let flags = flags();
    let mut arguments = arguments.iter();
    let mut canonical = Vec::new();
    let mut is_broken = false;
    while let Some(argument) = arguments.next() {
        let argument = argument.as_bytes();
        let dashes = argument.iter().take_while(|byte| **byte == b'-').count();
        let word = &argument[dashes.min(2)..];
        if dashes == 0 || word.is_empty() {
            break;
        }
        if dashes > 2 || word[0] == b'=' {
            is_broken = true;
            continue;
        }
        let equals = word.iter().position(|byte| *byte == b'=');
        let name = &word[..equals.unwrap_or(word.len())];
        if name == b"help" || name == b"h" {
            if !is_broken && canonical_is_sound(&canonical) {
                return Reading::Help;
            }
            break;
        }
        let flag = flags.iter().find(|(flag, _)| flag.as_bytes() == name);
        let value = match (flag, equals) {
            (_, Some(equals)) => Some(&word[equals + 1..]),
            (Some((_, Takes::Nothing)), None) => Some(&b"true"[..]),
            (Some((_, Takes::AValue)), None) => arguments.next().map(|next| next.as_bytes()),
            (None, None) => None,
        };
        match (flag, value) {
            (Some(_), Some(value)) => {
                let plain = [b"--", name, b"=", value].concat();
                canonical.push(OsString::from_vec(plain));
            }
            (None, Some(_)) => is_broken = true,
            (_, None) => {
                is_broken = true;
                break;
            }
        }
    }
    if is_broken {
        Reading::Broken
    } else {
        Reading::Flags(canonical)
    }
}

/// Whether each value up to here is one its flag takes.
fn canonical_is_sound(canonical: &[OsString]) -> bool {
    args::parse(canonical.iter().cloned()).is_ok()
}

#[derive(Clone, Copy, Debug)]
enum Takes {
    Nothing,
    AValue,
}

/// The flags, as the usage lists them: `  --name takes`.
fn flags() -> Vec<(String, Takes)> {
    let usage = args::usage().to_string();
    let lines = usage.lines().filter_map(|line| line.strip_prefix("  --"));
    lines
        .map(|line| match line.split_once(' ') {
            Some((name, _)) => (name.to_owned(), Takes::AValue),
            None => (line.to_owned(), Takes::Nothing),
        })
        .filter(|(name, _)| name != "help")
        .collect()
}
