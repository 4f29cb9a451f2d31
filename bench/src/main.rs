//! The processes around a measurement: the load client, the byte forwarder it is compared with, holders of idle peers.
//!
//! Each mode is one process life; it prints one JSON object and ends. `cargo xtask bench` decides what is run, where it
//! is pinned and what the figures are held against.
//! It depends on none of the relay's crates: what it knows of the relay is its wire.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the result on standard output is what the process is for"
)]

mod cli;
mod clock;
mod engine;
mod forward;
mod mode;
mod peers;
mod process;
mod samples;
mod socket;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)).and_then(cli::Command::run) {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("relay-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
