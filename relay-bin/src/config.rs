//! What the relay is to do, decided from the flags and the environment.
//!
//! Owns the meaning of flags: modes, conflicts, ranges, caps; and what is told to the operator who got one wrong.
//! It must not read the environment, open files or resolve names: everything comes in as data.

use std::net::SocketAddr;
use std::time::Duration;

use crate::args::{Flags, Setting};
use crate::logging::LogFormat;

mod activation;
mod admission;
mod conflicts;
mod environment;
mod fields;
mod listen;
mod metrics;
mod mode;
mod privileges;
mod problem;
mod push;
mod warning;

#[cfg(test)]
mod tests;

pub(crate) use activation::{ACME, HTTP, HTTPS, METRICS};
pub use activation::{ActivatedSocket, ActivationError};
pub use admission::Admission;
pub use environment::{
    Environment, FCM_CREDENTIALS, FCM_ENDPOINT, FLY_APP_NAME, PRODUCTION, SINGLE_INSTANCE, Secret,
};
pub use fields::Fields;
pub use listen::{Host, ListenAddr, ListenAddrError};
pub use metrics::MetricsListenError;
pub use mode::{AcmeSource, CertificateSource, Mode};
pub use problem::ConfigProblem;
pub use push::PushConfig;
pub(crate) use push::credentials;
pub use warning::ConfigWarning;

/// The longest `--drain-deadline`: far above what orchestrators grant, below what only a wrong unit can mean.
pub const MAX_DRAIN_DEADLINE: Duration = Duration::from_secs(60 * 60);

/// The least `--queue-memory`: four frames of the largest legal size, 256 KiB.
pub const MIN_QUEUE_MEMORY: u64 = 1 << 20;

/// A configuration that can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// What is served, and where.
    pub mode: Mode,
    /// How phones are woken, if they are.
    pub push: Option<PushConfig>,
    /// Who is let in.
    pub admission: Admission,
    /// Where the metrics page is, on the loopback interface.
    pub metrics_listen: Option<SocketAddr>,
    /// Bounds a drain from the signal to the last cut; at most [`MAX_DRAIN_DEADLINE`].
    pub drain_deadline: Duration,
    /// Over how long a drain's closes are spread; less than the deadline.
    pub drain_spread: Duration,
    /// Bytes queued to all phones together, at most half of the memory limit but at least [`MIN_QUEUE_MEMORY`].
    pub queue_memory: u64,
    /// How log records are written.
    pub log_format: LogFormat,
    /// What the operator asked for and did not get in full, or should not have: no reason to refuse.
    pub warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Judges the flags in the given environment.
    ///
    /// # Errors
    ///
    /// All problems there are, never none, in the order of the existing relay's checks; exit 2.
    pub fn from_flags(
        flags: &Flags,
        environment: &Environment,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut warnings = Vec::new();

        let mode = Mode::from_flags(flags, environment, &mut problems);
        if let Some(mode) = &mode {
            activation::check(environment, mode, &mut problems);
        }
        let admission = Admission::from_flags(flags, &mut problems, &mut warnings);
        let switches = environment.switches(&mut problems);
        let push = keep(PushConfig::from_environment(environment), &mut problems);
        privileges::check(flags, environment, switches, &mut problems, &mut warnings);
        let metrics_listen = keep(metrics_listen(flags, environment), &mut problems);
        let drain_deadline = keep(drain_deadline(flags), &mut problems);
        let drain_spread = keep(drain_spread(flags), &mut problems);
        let queue_memory = keep(
            queue_memory(flags, environment, &mut warnings),
            &mut problems,
        );

        match (
            mode,
            push,
            admission,
            metrics_listen,
            drain_deadline,
            drain_spread,
            queue_memory,
        ) {
            (
                Some(mode),
                Some(push),
                Some(admission),
                Some(metrics_listen),
                Some(drain_deadline),
                Some(drain_spread),
                Some(queue_memory),
            ) if problems.is_empty() => Ok(Self {
                mode,
                push,
                admission,
                metrics_listen,
                drain_deadline,
                drain_spread,
                queue_memory,
                log_format: *flags.log_format.value(),
                warnings,
            }),
            _ => Err(problems),
        }
    }
}

fn keep<T>(result: Result<T, ConfigProblem>, problems: &mut Vec<ConfigProblem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn metrics_listen(
    flags: &Flags,
    environment: &Environment,
) -> Result<Option<SocketAddr>, ConfigProblem> {
    let activated = activation::addr(environment, METRICS);
    let value = match activated {
        Some(addr) if !flags.metrics_listen.is_present() => addr.to_string(),
        _ => flags.metrics_listen.value().clone(),
    };
    let addr = metrics::address(&value)
        .map_err(|source| ConfigProblem::MetricsListen { value, source })?;
    if activated.is_none() || activated == addr {
        return Ok(addr);
    }
    let elsewhere = ActivationError::Elsewhere {
        flag: "metrics-listen",
    };
    activation::refuse(environment, METRICS, elsewhere).map_or(Ok(addr), Err)
}

fn drain_deadline(flags: &Flags) -> Result<Duration, ConfigProblem> {
    let deadline = *flags.drain_deadline.value();
    if deadline.is_zero() || deadline > MAX_DRAIN_DEADLINE {
        return Err(ConfigProblem::Value {
            flag: "drain-deadline",
            want: "longer than zero and at most 1h",
            value: typed(&flags.drain_deadline),
        });
    }
    Ok(deadline)
}

fn drain_spread(flags: &Flags) -> Result<Duration, ConfigProblem> {
    let spread = *flags.drain_spread.value();
    // A deadline that is refused itself is no measure.
    if drain_deadline(flags).is_ok_and(|deadline| spread >= deadline) {
        return Err(ConfigProblem::Value {
            flag: "drain-spread",
            want: "shorter than --drain-deadline",
            value: typed(&flags.drain_spread),
        });
    }
    Ok(spread)
}

fn queue_memory(
    flags: &Flags,
    environment: &Environment,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<u64, ConfigProblem> {
    let requested = flags.queue_memory.value().0;
    if requested < MIN_QUEUE_MEMORY {
        return Err(ConfigProblem::Value {
            flag: "queue-memory",
            want: "at least 1MiB",
            value: typed(&flags.queue_memory),
        });
    }
    let most = environment
        .memory_limit
        .map_or(u64::MAX, |limit| limit / 2)
        .max(MIN_QUEUE_MEMORY);
    let granted = requested.min(most);
    // A default that does not fit a small machine is no news to its operator.
    if granted < requested && flags.queue_memory.is_present() {
        warnings.push(ConfigWarning::QueueMemoryCapped { requested, granted });
    }
    Ok(granted)
}

/// What the operator wrote; empty for a default, which no check refuses.
fn typed<T>(setting: &Setting<T>) -> String {
    let raw = setting.raw().unwrap_or_default();
    raw.to_string_lossy().into_owned()
}
