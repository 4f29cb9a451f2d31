//! Repository chores: `test`, `e2e`, `ci`, `tidy`, `model`, `fuzz`, `soak`, `autobahn`, `bench`, `instructions`.
//!
//! Owns the order in which the repository is checked and the harness that drives the built relay from outside.
//! It must not depend on any of our crates: what it knows of the relay is its command line, its wire and its logs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore runner reports on the terminal: that is its whole output"
)]

mod autobahn;
mod bench;
mod cli;
mod clock;
mod debian;
mod e2e;
mod fuzz;
mod instructions;
mod model;
mod random;
mod soak;
mod steps;
mod tally;
mod tidy;
mod workspace;

use std::process::ExitCode;

use cli::Command;
use workspace::Workspace;

/// A wrong command line, as for the relay itself.
const USAGE_ERROR: u8 = 2;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", cli::USAGE);
            return ExitCode::from(USAGE_ERROR);
        }
    };
    match run(command) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let tally = match command {
        Command::Help => {
            println!("{}", cli::USAGE);
            return Ok(ExitCode::SUCCESS);
        }
        Command::E2e(options) if options.list => {
            e2e::list(&options);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Test => steps::run(&workspace, std::env::var_os("CI").is_some()),
        Command::Ci => steps::run(&workspace, true),
        Command::Tidy => tidy::run(&workspace),
        Command::Instructions { rewrites } => instructions::run(&workspace, true, rewrites)?,
        Command::Autobahn(options) => autobahn::run(&workspace, true, &options)?,
        Command::Model(options) => model::run(&workspace, &options)?,
        Command::Fuzz(options) => fuzz::run(&workspace, &options)?,
        Command::Bench(options) => bench::run(&workspace, &options)?,
        Command::Soak(options) => soak::build_and_run(&workspace, &options)?,
        Command::E2e(mut options) => {
            options.plays_all |= std::env::var_os("CI").is_some();
            e2e::build_and_run(&workspace, &options)?
        }
    };
    println!("\n{tally}");
    Ok(tally.exit_code())
}
