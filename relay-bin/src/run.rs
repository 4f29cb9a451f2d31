//! The whole life of the process: read the command line, check everything, serve.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;

use futures_util::Stream;
use tracing::warn;

use crate::args::{self, Flags, Invocation};
use crate::boot::inherited::Inherited;
use crate::boot::surroundings;
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::logging::Logging;
use crate::push::Push;
use crate::serve::{Kin, serve};
use crate::signals::Signal;
use crate::supervisor::Supervisor;
use crate::tls_mode::Certified;
use crate::upgrade::Program;

/// What `--version`, `/healthz` and the boot line say: stamped at build time through `PYRYCODE_RELAY_VERSION`.
pub const VERSION: &str = match option_env!("PYRYCODE_RELAY_VERSION") {
    Some(version) => version,
    None => "dev",
};

/// Runs the relay until a stop is requested and drained, or something stands in its way.
///
/// `args` are those after the program's name. The first [`Signal::Stop`] starts the drain, the second cuts it; the
/// end of the stream asks for nothing. Logs go to the process's tracing dispatcher, which is set here unless
/// somebody has set one before.
///
/// # Cancel safety
/// Dropping the future drops the listener; connections go on until the runtime ends.
pub async fn run(
    args: impl IntoIterator<Item = OsString>,
    signals: impl Stream<Item = Signal> + Unpin,
) -> Exit {
    run_in(surroundings::environment(), args, signals).await
}

/// As [`run`], in an environment of the caller's: the process's own is not looked at.
pub async fn run_in(
    environment: Environment,
    args: impl IntoIterator<Item = OsString>,
    signals: impl Stream<Item = Signal> + Unpin,
) -> Exit {
    run_with(environment, Inherited::default(), args, signals).await
}

/// As [`run_in`], with sockets that were open before.
pub async fn run_with(
    mut environment: Environment,
    inherited: Inherited,
    args: impl IntoIterator<Item = OsString>,
    signals: impl Stream<Item = Signal> + Unpin,
) -> Exit {
    environment.activated = inherited.described();
    let args: Vec<OsString> = args.into_iter().collect();
    match args::parse(args.iter().cloned()) {
        Ok(Invocation::Version) => print(io::stdout(), &format!("{VERSION}\n"), Exit::Ok),
        Ok(Invocation::Help) => print(io::stderr(), &args::usage().to_string(), Exit::Ok),
        Ok(Invocation::Run(flags)) => {
            let program = environment.executable.clone();
            let program = program.map(|executable| Program { executable, args });
            Box::pin(boot(&flags, &environment, inherited, program, signals)).await
        }
        Err(error) => print(io::stderr(), &error.to_string(), Exit::Config),
    }
}

/// For what goes wrong before there is a logger.
pub(crate) fn fail(what: &str, error: &dyn Display) -> Exit {
    print(io::stderr(), &format!("{what}: {error}\n"), Exit::Failure)
}

/// A closed pipe is no reason to end differently.
fn print(mut to: impl io::Write, text: &str, exit: Exit) -> Exit {
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    exit
}

async fn boot(
    flags: &Flags,
    environment: &Environment,
    mut inherited: Inherited,
    program: Option<Program>,
    signals: impl Stream<Item = Signal> + Unpin,
) -> Exit {
    let logging = Logging::new(*flags.log_format.value(), environment.rust_log.as_deref());
    let rejected_filter = logging.rejected_filter().map(str::to_owned);
    // Refused when a test runs several relays in one process: the first one's logger serves them all.
    let _ = tracing::dispatcher::set_global_default(logging.into_dispatch());
    if let Some(err) = rejected_filter {
        warn!(
            env_var = "RUST_LOG",
            err, "log filter not understood, using info"
        );
    }
    let config = match Config::from_flags(flags, environment) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                problem.log();
            }
            return Exit::Config;
        }
    };
    for warning in &config.warnings {
        warning.log();
    }
    let push = match Push::start(&config, environment) {
        Ok(push) => push,
        Err(exit) => return exit,
    };
    let kin = Kin {
        supervisor: Supervisor::of(environment),
        parent: inherited.parent(),
        program,
    };
    match Certified::prepare(&config) {
        Ok(certified) => Box::pin(serve(&config, inherited, kin, certified, push, signals)).await,
        Err(exit) => exit,
    }
}
