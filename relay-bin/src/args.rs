//! The command line: Go's `flag` grammar over the flag table, and the usage text.
//!
//! Owns the grammar and the syntax of values.
//! It must not know what a value means: conflicts, ranges and modes are `config`'s.
//!
//! Why not `lexopt`: operators' manifests use Go's grammar, where `-max-connections 5` is one long flag.
//! lexopt reads that as a bundle of short options.
//! Rewriting `-name` to `--name` up front needs to know which arguments are values (`--max-connections -1`), and knowing that *is* the grammar.
//! What would be left for lexopt is splitting at `=`, the five lines of [`split`].
//!
//! The grammar, from [Go's documentation](https://pkg.go.dev/flag#hdr-Command_line_flag_syntax):
//!
//! * `-x` and `--x` are the same flag; a value follows as `--x=v` or `--x v`, whatever `v` looks like.
//! * A boolean takes a value only with `=`.
//! * Parsing ends at the first argument that is not a flag, or at `--`; what follows is ignored.
//! * The last of repeated flags wins.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

mod problem;
mod setting;
mod table;
mod value;

#[cfg(test)]
mod tests;

pub use problem::{UsageError, UsageProblem};
pub use setting::{FlagValue, Setting};
pub use table::Flags;
pub use value::{ByteSize, Cidrs, Names, ValueError};

use table::{Flag, TABLE};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// `-h` or `--help`: print the usage to stderr, exit 0.
    Help,
    /// `--version`: print the version to stdout, exit 0, and look at nothing else.
    Version,
    /// Anything else: the flags, each of the right syntax.
    Run(Box<Flags>),
}

/// Reads the arguments, without the program's name.
///
/// # Errors
///
/// Every problem that can be told apart from the ones before it; exit 2.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut args = args.into_iter();
    let mut flags = Flags::default();
    let mut problems = Vec::new();

    while let Some(argument) = args.next() {
        let (name, inline) = match split(&argument) {
            Token::Flag { name, inline } => (name, inline),
            Token::End => break,
            Token::Malformed => {
                problems.push(UsageProblem::Malformed { argument });
                continue;
            }
        };
        if name == "h" || name == "help" {
            if problems.is_empty() {
                return Ok(Invocation::Help);
            }
            break;
        }
        let Some(flag) = TABLE.iter().find(|flag| name == flag.name) else {
            let has_value = inline.is_some();
            let name = name.to_os_string();
            problems.push(UsageProblem::Unknown { name });
            if has_value {
                continue;
            }
            // Whether the next argument is this flag's value cannot be known.
            break;
        };
        if let Err(problem) = set(&mut flags, flag, inline, &mut args) {
            problems.push(problem);
        }
    }

    if !problems.is_empty() {
        Err(UsageError { problems })
    } else if *flags.version.value() {
        Ok(Invocation::Version)
    } else {
        Ok(Invocation::Run(Box::new(flags)))
    }
}

fn set(
    flags: &mut Flags,
    flag: &Flag,
    inline: Option<&OsStr>,
    args: &mut impl Iterator<Item = OsString>,
) -> Result<(), UsageProblem> {
    let name = flag.name;
    let raw = match (inline, flag.implied) {
        (Some(inline), _) => inline.to_os_string(),
        (None, Some(implied)) => OsString::from(implied),
        (None, None) => args.next().ok_or(UsageProblem::MissingValue { name })?,
    };
    (flag.set)(flags, &raw).map_err(|source| UsageProblem::BadValue { name, raw, source })
}

enum Token<'a> {
    Flag {
        name: &'a OsStr,
        inline: Option<&'a OsStr>,
    },
    Malformed,
    End,
}

fn split(argument: &OsStr) -> Token<'_> {
    let name = match argument.as_bytes() {
        b"-" | b"--" => return Token::End,
        [b'-', b'-', name @ ..] | [b'-', name @ ..] => name,
        _ => return Token::End,
    };
    if let [] | [b'-' | b'=', ..] = name {
        return Token::Malformed;
    }
    let mut parts = name.splitn(2, |&byte| byte == b'=').map(OsStr::from_bytes);
    Token::Flag {
        name: parts.next().unwrap_or_default(),
        inline: parts.next(),
    }
}

/// The usage text, ending in a newline.
pub fn usage() -> impl fmt::Display {
    table::Usage
}
