//! The scenarios: one file per topic, each findable by the number of its case.
//!
//! A scenario waits for what it expects and never for time to pass.
//! That something does *not* happen is shown by something later that does.

use std::pin::Pin;
use std::time::Duration;

use super::stage::Stage;

/// Time limit of a scenario that does not set its own.
const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// A scenario's play.
type Play<'s> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 's>>;

/// One story about a relay.
#[derive(Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// It fails when it is not over by then.
    pub(super) limit: Duration,
    /// It measures, or loads the machine: nothing else may run beside it.
    pub(super) alone: bool,
    pub(super) run: for<'s> fn(&'s Stage) -> Play<'s>,
}

impl Scenario {
    const fn new(name: &'static str, run: for<'s> fn(&'s Stage) -> Play<'s>) -> Self {
        Self {
            name,
            limit: DEFAULT_LIMIT,
            alone: false,
            run,
        }
    }

    const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

/// A scenario named like the function that plays it.
macro_rules! scenario {
    ($play:ident) => {
        super::Scenario::new(stringify!($play), |stage| Box::pin($play(stage)))
    };
}

mod backlog;
mod churn;
mod claims;
mod command_line;
mod departure;
mod directives;
mod drain;
mod drain_proof;
mod envelopes;
mod fault;
mod frames;
mod logs;
mod monitoring;
mod ops_boot;
mod ops_flood;
mod ops_limits;
mod ops_page;
mod phones;
mod restart;
mod routing;
mod upgrade;

/// Every scenario.
pub(super) fn all() -> impl Iterator<Item = Scenario> {
    [
        upgrade::ALL,
        routing::ALL,
        frames::ALL,
        envelopes::ALL,
        directives::ALL,
        departure::ALL,
        phones::ALL,
        claims::ALL,
        backlog::ALL,
        drain::ALL,
        drain_proof::ALL,
        restart::ALL,
        command_line::ALL,
        logs::ALL,
        churn::ALL,
        ops_boot::ALL,
        ops_flood::ALL,
        ops_limits::ALL,
        ops_page::ALL,
        monitoring::ALL,
        &fault::all(),
    ]
    .concat()
    .into_iter()
}

/// Asks again and again until the answer is yes; the scenario's limit bounds it.
async fn until<F: Future<Output = anyhow::Result<bool>>>(
    mut ask: impl FnMut() -> F,
) -> anyhow::Result<()> {
    while !ask().await? {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// A JSON string of `length` bytes, quotes included.
fn json_string(length: usize) -> String {
    format!("\"{}\"", "x".repeat(length - 2))
}
