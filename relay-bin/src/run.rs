//! The whole life of the process: read the command line, serve, drain, report.

use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use relay_core::{DrainServer, Limits, Registry};
use relay_shutdown::{Outcome, ShutdownContext, ShutdownReport, shutdown};
use relay_transport::ServerBuilder;
use tracing::{error, info, warn};

use crate::args::{self, Flags, Invocation};
use crate::boot::{memory, nofile};
use crate::config::{Config, Environment};
use crate::exit::Exit;
use crate::listener;
use crate::logging::Logging;
use crate::signals::StopRequest;

/// What `--version`, `/healthz` and the boot line say: stamped at build time through `PYRYCODE_RELAY_VERSION`.
pub const VERSION: &str = match option_env!("PYRYCODE_RELAY_VERSION") {
    Some(version) => version,
    None => "dev",
};

/// Runs the relay until a stop is requested and drained, or something stands in its way.
///
/// `args` are those after the program's name. The first item of `signals` starts the drain, the second cuts it; the
/// end of the stream asks for nothing. Logs go to the process's tracing dispatcher, which is set here unless
/// somebody has set one before.
///
/// # Cancel safety
/// Dropping the future drops the listener; connections go on until the runtime ends.
pub async fn run(
    args: impl IntoIterator<Item = OsString>,
    signals: impl Stream<Item = StopRequest> + Unpin,
) -> Exit {
    match args::parse(args) {
        Ok(Invocation::Version) => print(io::stdout(), &format!("{VERSION}\n"), Exit::Ok),
        Ok(Invocation::Help) => print(io::stderr(), &args::usage().to_string(), Exit::Ok),
        Ok(Invocation::Run(flags)) => boot(&flags, signals).await,
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

async fn boot(flags: &Flags, signals: impl Stream<Item = StopRequest> + Unpin) -> Exit {
    let environment = Environment {
        rust_log: std::env::var("RUST_LOG").ok(),
        memory_limit: memory::limit(),
    };
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
    let config = match Config::from_flags(flags, &environment) {
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
    serve(&config, signals).await
}

async fn serve(config: &Config, mut signals: impl Stream<Item = StopRequest> + Unpin) -> Exit {
    let listen = config.listen.to_string();
    info!(version = VERSION, mode = "insecure", listen, "starting");
    let queue_memory = usize::try_from(config.queue_memory).unwrap_or(usize::MAX);
    let registry = Registry::new(Limits::default().queue_memory(queue_memory));
    let transport = relay_transport::Config::default()
        .version(VERSION)
        .max_connections(allowed_connections(config));
    let bound = match listener::bind(&config.listen).await {
        Ok(listener) => ServerBuilder::new(registry.clone())
            .config(transport)
            .with_listener(listener),
        Err(error) => Err(error),
    };
    let server = match bound {
        Ok(bound) => bound.serve(),
        Err(err) => {
            error!(addr = listen, %err, "listener failed");
            return Exit::Failure;
        }
    };
    info!(addr = %server.local_addr(), "listening");

    if signals.next().await.is_none() {
        std::future::pending::<()>().await;
    }
    info!("shutdown signal received; draining");
    drain(config.drain_deadline, &registry, &server, signals).await;
    Exit::Ok
}

fn allowed_connections(config: &Config) -> usize {
    let allowed = nofile::allowed_connections(
        config.max_connections,
        nofile::raise(),
        nofile::RESERVED_FILES,
    );
    if allowed.is_lowered() {
        let fix = "raise RLIMIT_NOFILE or lower --max-connections";
        let (from, to) = (allowed.requested.get(), allowed.connections.get());
        warn!(
            from,
            to, fix, "max connections lowered to what the open-file limit allows"
        );
    }
    allowed.connections.get()
}

async fn drain(
    deadline: Duration,
    registry: &Registry,
    server: &dyn DrainServer,
    mut signals: impl Stream<Item = StopRequest> + Unpin,
) {
    let ctx = ShutdownContext::new().deadline(deadline);
    let cut = ctx.cut_handle();
    let servers = [server];
    let mut drained = std::pin::pin!(shutdown(ctx, registry, &servers));
    let report = tokio::select! {
        report = &mut drained => report,
        Some(StopRequest) = signals.next() => {
            warn!("second shutdown signal; cutting");
            cut.cut();
            drained.await
        }
    };
    log_report(&report);
}

fn log_report(report: &ShutdownReport) {
    let ShutdownReport {
        outcome,
        binaries,
        phones,
        closed,
        cut,
        frames_flushed,
        frames_dropped,
        ..
    } = *report;
    let asked = millis(report.asked_after);
    let gone = report.legs_gone_after.map(millis);
    let duration = millis(report.elapsed);
    match outcome {
        Outcome::Complete => {
            info!(
                binaries,
                phones,
                closed,
                cut,
                frames_flushed,
                frames_dropped,
                asked,
                gone,
                duration,
                "shutdown complete"
            );
        }
        Outcome::DeadlineExceeded => {
            let err = "deadline exceeded";
            warn!(
                err,
                binaries,
                phones,
                closed,
                cut,
                frames_flushed,
                frames_dropped,
                asked,
                gone,
                duration,
                "drain incomplete"
            );
        }
        Outcome::CutShort => {
            let err = "second signal";
            warn!(
                err,
                binaries,
                phones,
                closed,
                cut,
                frames_flushed,
                frames_dropped,
                asked,
                gone,
                duration,
                "drain incomplete"
            );
        }
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.1}ms", duration.as_secs_f64() * 1000.0)
}
