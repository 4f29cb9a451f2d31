//! The standalone relay: command line, boot checks, logging and signals around the library crates.
//!
//! [`run()`] is the whole process life as one future, so that a test can drive it with made-up signals; [`main()`] gives
//! it a runtime and the real ones.
//! This package wires and decides nothing about traffic.

pub mod args;
pub mod boot;
pub mod config;
pub mod exit;
pub mod logging;

mod challenges;
mod clock;
mod listener;
mod metrics;
mod push;
mod report;
mod run;
mod serve;
mod signals;
mod supervisor;
mod tls_mode;
mod upgrade;

use std::panic::PanicHookInfo;
use std::process::ExitCode;

use boot::inherited::Inherited;

pub use run::{VERSION, run, run_in, run_with};
pub use signals::Signal;

/// The process: runtime, signals, [`run()`].
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(log_panic));
    let inherited = Inherited::take();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        // What another thread wakes goes before what sockets wake: in a drain every peer is told before the first
        // answer is looked at. In between nothing is woken from outside, and looking costs one atomic load.
        .global_queue_interval(1)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return run::fail("cannot start the runtime", &error).into(),
    };
    let exit = runtime.block_on(async {
        match signals::signals() {
            Ok(signals) => {
                let environment = boot::surroundings::environment();
                run_with(environment, inherited, std::env::args_os().skip(1), signals).await
            }
            Err(error) => run::fail("cannot listen for signals", &error),
        }
    });
    // Nothing that is left is worth waiting for: the drain has waited for every connection.
    runtime.shutdown_background();
    exit.into()
}

/// One record with the place and without the message, which may quote what a peer sent.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let path = panic.location().map(ToString::to_string);
    tracing::error!(path, "panic");
}
