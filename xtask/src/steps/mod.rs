//! `cargo xtask test`: everything there is to check, in order, without stopping at the first failure.

mod promtool;
mod summary;

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context as _;

use summary::Runner;

use crate::autobahn::AutobahnOptions;
use crate::cli::E2eOptions;
use crate::clock::Stopwatch;
use crate::soak::SoakOptions;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{autobahn, debian, e2e, instructions, soak, tidy};

/// One line of the closing table.
struct Finished {
    name: &'static str,
    tally: Tally,
    elapsed: Duration,
}

/// Runs every step and prints a table of them; `locked` refuses to touch Cargo.lock, and tests that miss their referee
/// fail.
pub(crate) fn run(workspace: &Workspace, locked: bool) -> Tally {
    let lock: &[&str] = if locked { &["--locked"] } else { &[] };
    let cargo = |args: &[&str]| {
        let mut command = workspace.cargo();
        command.args(args).args(lock);
        command
    };
    let testing = |args: &[&str]| {
        let mut command = cargo(args);
        if locked {
            // What tests look at before they skip.
            command.env("CI", "true");
        }
        command
    };
    let mut finished = Vec::new();
    let mut step = |name: &'static str, run: &mut dyn FnMut() -> anyhow::Result<Tally>| {
        println!("\n==> {name}");
        let stopwatch = Stopwatch::start();
        let tally = run().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Tally::of_check(false)
        });
        let elapsed = stopwatch.elapsed();
        println!("<== {name}: {tally} ({:.1} s)", elapsed.as_secs_f64());
        finished.push(Finished {
            name,
            tally,
            elapsed,
        });
    };

    step("debian", &mut || debian::install_missing(debian::REFEREES));
    step("tidy", &mut || Ok(tidy::run(workspace)));
    step("format", &mut || {
        check(
            workspace
                .cargo()
                .args(["fmt", "--all", "--check", "--", "--color", "never"]),
        )
    });
    step("clippy", &mut || {
        check(cargo(&["clippy", "--workspace", "--all-targets"]).args(["--", "-D", "warnings"]))
    });
    if workspace.has_subcommand("nextest") {
        step("tests", &mut || {
            tests(
                Runner::Nextest,
                &mut testing(&[
                    "nextest",
                    "run",
                    "--workspace",
                    "--no-fail-fast",
                    "--no-tests",
                    "pass",
                ]),
            )
        });
        step("doctests", &mut || {
            tests(
                Runner::Libtest,
                &mut testing(&["test", "--workspace", "--doc", "--no-fail-fast", "--quiet"]),
            )
        });
    } else {
        step("tests", &mut || {
            tests(
                Runner::Libtest,
                &mut testing(&["test", "--workspace", "--no-fail-fast", "--quiet"]),
            )
        });
    }
    step("documentation", &mut || {
        check(
            cargo(&[
                "doc",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
        )
    });
    step("dependencies", &mut || {
        if workspace.has_subcommand("deny") {
            check(
                workspace
                    .cargo()
                    .args(["deny", "check", "bans", "licenses", "sources"]),
            )
        } else {
            println!("cargo-deny is not installed: licences, bans and sources were not checked");
            Ok(Tally::default())
        }
    });
    step("alerts", &mut || promtool::run(workspace, locked));
    step("instructions", &mut || {
        instructions::run(workspace, locked, false)
    });
    step("conformance", &mut || {
        autobahn::run(workspace, locked, &AutobahnOptions::default())
    });
    step("end to end", &mut || {
        let options = E2eOptions {
            plays_all: locked,
            ..E2eOptions::default()
        };
        e2e::build_and_run(workspace, &options)
    });
    step("soak", &mut || {
        soak::build_and_run(workspace, &SoakOptions::default())
    });

    println!();
    for Finished {
        name,
        tally,
        elapsed,
    } in &finished
    {
        println!("{name:>14}  {:>8.1} s  {tally}", elapsed.as_secs_f64());
    }
    finished.iter().map(|step| step.tally).sum()
}

/// A command that counts as one check.
pub(crate) fn check(command: &mut Command) -> anyhow::Result<Tally> {
    Ok(Tally::of_check(stream(command, |_| {})?.success()))
}

/// A command that runs tests: each of them counts, and a failure without a failed test (it did not compile) is one more.
fn tests(runner: Runner, command: &mut Command) -> anyhow::Result<Tally> {
    let seen = Mutex::new(Tally::default());
    let status = stream(command, |line| {
        if let Some(tally) = runner.summary(line) {
            *seen.lock().expect("no reader panics while it counts") += tally;
        }
    })?;
    let mut tally = seen.into_inner().expect("no reader panics while it counts");
    if !status.success() && tally.failed == 0 {
        tally += Tally::of_check(false);
    }
    Ok(tally)
}

/// Runs a command, passes its two outputs on line by line as they come, and shows each line to `on_line`.
fn stream(command: &mut Command, on_line: impl Fn(&str) + Sync) -> anyhow::Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
    let pass_on = |output: Option<&mut (dyn Read + Send)>| {
        for line in output
            .into_iter()
            .flat_map(|output| BufReader::new(output).lines())
            .map_while(Result::ok)
        {
            println!("{line}");
            on_line(&line);
        }
    };
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| pass_on(stdout.as_mut().map(|output| output as _)));
        pass_on(stderr.as_mut().map(|output| output as _));
    });
    child.wait().context("could not wait for the command")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    #[test]
    fn a_check_counts_once_by_its_exit_status() {
        assert_eq!(
            check(&mut shell("exit 0")).unwrap(),
            Tally {
                passed: 1,
                failed: 0
            }
        );
        assert_eq!(
            check(&mut shell("exit 3")).unwrap(),
            Tally {
                passed: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn tests_are_summed_over_both_outputs() {
        let script = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'
                      echo 'test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out' >&2";
        assert_eq!(
            tests(Runner::Libtest, &mut shell(script)).unwrap(),
            Tally {
                passed: 7,
                failed: 0
            }
        );
    }

    #[test]
    fn a_test_run_that_does_not_compile_is_one_failure() {
        assert_eq!(
            tests(Runner::Libtest, &mut shell("exit 101")).unwrap(),
            Tally {
                passed: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn failed_tests_are_not_counted_twice() {
        let script = "echo 'test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out'; exit 101";
        assert_eq!(
            tests(Runner::Libtest, &mut shell(script)).unwrap(),
            Tally {
                passed: 3,
                failed: 2
            }
        );
    }
}
