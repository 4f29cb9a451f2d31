//! The command line of `cargo xtask`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::autobahn::AutobahnOptions;
use crate::bench::BenchOptions;
use crate::fuzz::FuzzOptions;
use crate::model::ModelOptions;
use crate::soak::SoakOptions;

/// What `cargo xtask --help` prints.
pub(crate) const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  test                 every check and every test there is; ends with `N passed, N failed`
  ci                   the same, and Cargo.lock must be up to date and no test may skip (also what `test` does when CI is set)
  tidy                 only the repository rules: crate edges, file rules, links, log keys, names in alerts, threat model, invariants and the operator's tables
  e2e                  only the scenarios on the built binary
      --filter <text>  only scenarios whose name contains the text
      --list           print the names and stop
      --binary <path>  drive this relay instead of building one
      --rounds <n>     how often the drain proof is repeated
  soak                 only the soak: a crowd of peers on the built binary, sequences, notices, leaks
      --minutes <n>    minutes of traffic, two by default
      --seed <n>       of what the peers do
      --binary <path>  drive this relay instead of building one
  autobahn             only the Autobahn test suite on the WebSocket layer
      --cases <list>   only these of its cases, such as `2.*,6.4.3`
  instructions         instructions of each step of a frame's way, against committed budgets
      --rewrite        make what was counted the budget
  model                only the races of relay-core, each under many schedules
      --filter <text>  only tests whose name contains the text
      --iterations <n> so many schedules per test and scheduler
      --seed <n>       other schedules than the usual ones
      --replay <hex>   only this schedule, as a failed test printed it; with --filter
  fuzz                 libFuzzer on the fuzz targets, on an installed nightly toolchain
      --seconds <n>    for each target; 60 if not given
      --target <name>  only this one
      --merge          add what reached new code to the committed corpora
  bench                what the relay costs beside a byte forwarder, and what its peers weigh; about six minutes
      --filter <text>  only parts whose name contains the text
      --binary <path>  measure this relay instead of building one
      --quick          a fifth of everything, to try the bench itself";

/// One chore.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Print the usage.
    Help,
    /// Every check and every test.
    Test,
    /// As `Test`, with the lock file frozen.
    Ci,
    /// The repository rules.
    Tidy,
    /// The scenarios on the built binary.
    E2e(E2eOptions),
    /// A crowd of peers for some minutes.
    Soak(SoakOptions),
    /// The referee of the WebSocket protocol.
    Autobahn(AutobahnOptions),
    /// Instruction counts; with `true`, new budgets.
    Instructions {
        /// What was counted becomes the budget.
        rewrites: bool,
    },
    /// Races under a scheduler.
    Model(ModelOptions),
    /// The fuzz targets, with coverage.
    Fuzz(FuzzOptions),
    /// Measurements.
    Bench(BenchOptions),
}

/// What to run of the scenarios, and on what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct E2eOptions {
    /// Only scenarios whose name contains this.
    pub(crate) filter: Option<String>,
    /// Print the names, run nothing.
    pub(crate) list: bool,
    /// The relay to drive; built when absent.
    pub(crate) binary: Option<PathBuf>,
    /// Repetitions of the drain proof, if not its default.
    pub(crate) rounds: Option<NonZeroU32>,
    /// A scenario that lacks a tool fails instead of being skipped.
    pub(crate) plays_all: bool,
}

/// Reads the arguments after the program name.
///
/// # Errors
///
/// An unknown command or option, or a value that does not parse.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut command = match parser.next()? {
        None | Some(Long("help") | Short('h')) => return Ok(Command::Help),
        Some(Value(name)) => match name.string()?.as_str() {
            "test" => Command::Test,
            "ci" => Command::Ci,
            "tidy" => Command::Tidy,
            "e2e" => Command::E2e(E2eOptions::default()),
            "soak" => Command::Soak(SoakOptions::default()),
            "autobahn" => Command::Autobahn(AutobahnOptions::default()),
            "instructions" => Command::Instructions { rewrites: false },
            "model" => Command::Model(ModelOptions::default()),
            "fuzz" => Command::Fuzz(FuzzOptions::default()),
            "bench" => Command::Bench(BenchOptions::default()),
            unknown => return Err(format!("unknown command `{unknown}`").into()),
        },
        Some(other) => return Err(other.unexpected()),
    };
    while let Some(arg) = parser.next()? {
        match (&mut command, arg) {
            (_, Long("help") | Short('h')) => return Ok(Command::Help),
            (Command::E2e(options), Long("filter")) => {
                options.filter = Some(parser.value()?.string()?);
            }
            (Command::E2e(options), Long("list")) => options.list = true,
            (Command::E2e(options), Long("binary")) => {
                options.binary = Some(parser.value()?.into());
            }
            (Command::E2e(options), Long("rounds")) => {
                options.rounds = Some(parser.value()?.parse()?);
            }
            (Command::Soak(options), Long("minutes")) => {
                options.minutes = parser.value()?.parse()?;
            }
            (Command::Soak(options), Long("seed")) => {
                options.seed = parser.value()?.parse_with(seed)?;
            }
            (Command::Soak(options), Long("binary")) => {
                options.binary = Some(parser.value()?.into());
            }
            (Command::Autobahn(options), Long("cases")) => {
                options.cases = Some(parser.value()?.string()?);
            }
            (Command::Instructions { rewrites }, Long("rewrite")) => *rewrites = true,
            (Command::Model(options), Long("filter")) => {
                options.filter = Some(parser.value()?.string()?);
            }
            (Command::Model(options), Long("iterations")) => {
                options.iterations = Some(parser.value()?.parse()?);
            }
            (Command::Model(options), Long("seed")) => {
                options.seed = Some(parser.value()?.parse()?);
            }
            (Command::Model(options), Long("replay")) => {
                options.replay = Some(parser.value()?.string()?);
            }
            (Command::Fuzz(options), Long("seconds")) => {
                options.seconds = parser.value()?.parse()?;
            }
            (Command::Fuzz(options), Long("target")) => {
                options.target = Some(parser.value()?.string()?);
            }
            (Command::Fuzz(options), Long("merge")) => options.merges = true,
            (Command::Bench(options), Long("filter")) => {
                options.filter = Some(parser.value()?.string()?);
            }
            (Command::Bench(options), Long("binary")) => {
                options.binary = Some(parser.value()?.into());
            }
            (Command::Bench(options), Long("quick")) => options.is_quick = true,
            (_, other) => return Err(other.unexpected()),
        }
    }
    if let Command::Model(options) = &command
        && options.replay.is_some()
        && options.filter.is_none()
    {
        return Err("--replay needs --filter: a schedule is of one test".into());
    }
    Ok(command)
}

/// A seed as it is printed, or in decimal.
fn seed(text: &str) -> Result<u64, std::num::ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_or_help_prints_the_usage() {
        for line in ["", "--help", "-h", "e2e --help", "test -h"] {
            assert_eq!(parse_words(line), Ok(Command::Help), "{line}");
        }
    }

    #[test]
    fn reads_e2e_options() {
        let options = E2eOptions {
            filter: Some("case_11".to_owned()),
            list: true,
            binary: Some(PathBuf::from("/bin/relay")),
            rounds: NonZeroU32::new(3),
            plays_all: false,
        };
        let line = "e2e --filter case_11 --list --binary=/bin/relay --rounds 3";
        assert_eq!(parse_words(line), Ok(Command::E2e(options)));
    }

    #[test]
    fn reads_bench_options() {
        let options = BenchOptions {
            filter: Some("echo".to_owned()),
            is_quick: true,
            binary: Some(PathBuf::from("/bin/relay")),
        };
        let line = "bench --filter echo --quick --binary=/bin/relay";
        assert_eq!(parse_words(line), Ok(Command::Bench(options)));
    }

    #[test]
    fn reads_model_options() {
        let options = ModelOptions {
            filter: Some("drain::".to_owned()),
            iterations: Some(100_000),
            seed: Some(7),
            replay: Some("9102".to_owned()),
        };
        let line = "model --filter drain:: --iterations 100000 --seed 7 --replay 9102";
        assert_eq!(parse_words(line), Ok(Command::Model(options)));
    }

    #[test]
    fn reads_soak_options() {
        for (seed, read) in [("17", 17), ("0x5eed", 0x5EED)] {
            let options = SoakOptions {
                minutes: NonZeroU32::new(30).unwrap(),
                seed: read,
                binary: Some(PathBuf::from("/bin/relay")),
            };
            let line = format!("soak --minutes 30 --seed {seed} --binary=/bin/relay");
            assert_eq!(parse_words(&line), Ok(Command::Soak(options)));
        }
    }

    #[test]
    fn reads_fuzz_options() {
        let options = FuzzOptions {
            seconds: NonZeroU32::new(7).unwrap(),
            target: Some("frames".to_owned()),
            merges: true,
        };
        let line = "fuzz --seconds 7 --target frames --merge";
        assert_eq!(parse_words(line), Ok(Command::Fuzz(options)));
    }

    #[test]
    fn reads_autobahn_options() {
        let options = AutobahnOptions {
            cases: Some("2.*,6.4.3".to_owned()),
        };
        let line = "autobahn --cases 2.*,6.4.3";
        assert_eq!(parse_words(line), Ok(Command::Autobahn(options)));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for line in [
            "bogus",
            "test --list",
            "e2e --rounds 0",
            "soak --minutes 0",
            "soak --seed x",
            "fuzz --seconds 0",
            "e2e extra",
            "model --replay 9102",
            "--filter x",
        ] {
            assert!(parse_words(line).is_err(), "{line}");
        }
    }
}
