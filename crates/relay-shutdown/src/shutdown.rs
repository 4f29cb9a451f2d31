//! The driver of the plan.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use relay_core::{DrainServer, LegHandle, Registry, Snapshot};

use crate::clock;
use crate::context::{CUT_GRACE, ShutdownContext};
use crate::plan::{Action, Event, Plan};
use crate::report::ShutdownReport;
use crate::spread::Spread;

/// Drains `registry` and `servers` together.
///
/// In this order: the registry refuses everything new, in one atomic step; the servers stop accepting; every live leg
/// is asked, at once or in turns over [`ShutdownContext::spread`], to take what was accepted for it, for at most half of
/// the time left, and then 1001 `shutting down` (a binary first gets a notice for each of its phones); legs and servers are waited for; what is left
/// at the deadline, or when [`CutHandle::cut`](crate::CutHandle::cut) is called, is dropped.
///
/// Takes at most the deadline and half a second more, whatever the peers do. Idempotent: a second drain of the same
/// registry finds nothing left to ask for and waits for the same end.
///
/// # Cancel safety
/// The registry stays draining and the legs stay asked; nobody waits for them any more.
///
/// # Panics
/// Outside a tokio runtime with time enabled.
pub async fn shutdown(
    ctx: ShutdownContext,
    registry: &Registry,
    servers: &[&dyn DrainServer],
) -> ShutdownReport {
    let start = clock::now();
    let before = registry.stats();
    registry.begin_drain();
    for server in servers {
        server.stop_accepting();
    }
    let snapshot = registry.snapshot();
    let kinds = snapshot.legs().iter().map(LegHandle::kind);
    let seed = ctx.jitter_seed;
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    let mut spread = Spread::new(kinds, ctx.spread.min(ctx.deadline), seed);
    let mut asked_after = Duration::ZERO;
    let mut ask = |spread: &mut Spread| {
        while let Some(ask) = spread.due(clock::now() - start) {
            snapshot.legs()[ask.leg].drain(ctx.flush(ask.after));
        }
        asked_after = clock::now() - start;
    };
    ask(&mut spread);

    let mut plan = Plan::new(start, ctx.deadline, CUT_GRACE);
    let mut legs_gone_after = None;
    let mut idle = std::pin::pin!(registry.idle());
    let mut closed = std::pin::pin!(all_closed(servers));
    let outcome = loop {
        let next_ask = spread.next_after().map(|after| start + after);
        let event = tokio::select! {
            biased;
            () = ctx.cut.cancelled(), if !plan.is_cut() => Event::CutRequested,
            () = &mut idle, if !plan.legs_gone() => Event::LegsGone,
            () = &mut closed, if !plan.servers_closed() => Event::ServersClosed,
            () = at(plan.deadline()) => Event::DeadlinePassed,
            () = at(next_ask.unwrap_or(start)), if next_ask.is_some() && !plan.is_cut() => {
                ask(&mut spread);
                continue;
            }
        };
        let now = clock::now();
        if event == Event::LegsGone {
            legs_gone_after = Some(now - start);
        }
        match plan.on(event, now) {
            Action::Wait => {}
            Action::Cut => cut(&registry.snapshot()),
            Action::Abort => abort(servers),
            Action::Finish(outcome) => break outcome,
        }
    };

    let after = registry.stats();
    ShutdownReport {
        outcome,
        binaries: snapshot.binaries(),
        phones: snapshot.phones(),
        closed: after.drain_legs_closed - before.drain_legs_closed,
        cut: after.drain_legs_cut - before.drain_legs_cut,
        frames_flushed: after.drain_frames_flushed - before.drain_frames_flushed,
        frames_dropped: after.drain_frames_dropped - before.drain_frames_dropped,
        asked_after,
        legs_gone_after,
        elapsed: clock::now() - start,
    }
}

async fn at(time: Instant) {
    tokio::time::sleep_until(time.into()).await;
}

/// Legs end by themselves, with their last log lines, when asked.
fn cut(left: &Snapshot) {
    for leg in left.legs() {
        leg.cut();
    }
}

/// What is no leg, or does not listen, is dropped where it stands.
fn abort(servers: &[&dyn DrainServer]) {
    for server in servers {
        server.abort();
    }
}

async fn all_closed(servers: &[&dyn DrainServer]) {
    for server in servers {
        server.closed().await;
    }
}

#[cfg(test)]
mod tests;
