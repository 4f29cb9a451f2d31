//! The driver of the plan.

use relay_core::{DrainServer, Registry, Snapshot};

use crate::clock;
use crate::context::{CUT_GRACE, ShutdownContext};
use crate::plan::{Action, Event, Plan};
use crate::report::ShutdownReport;

/// Drains `registry` and `servers` together.
///
/// In this order: the registry refuses everything new, in one atomic step; the servers stop accepting; every live leg
/// is asked at once to take what was accepted for it, for at most half of the deadline, and then 1001
/// `shutting down` (a binary first gets a notice for each of its phones); legs and servers are waited for; what is left
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
    for leg in snapshot.legs() {
        leg.drain(ctx.flush());
    }
    let asked_after = clock::now() - start;

    let mut plan = Plan::new(start, ctx.deadline, CUT_GRACE);
    let mut legs_gone_after = None;
    let mut idle = std::pin::pin!(registry.idle());
    let mut closed = std::pin::pin!(all_closed(servers));
    let outcome = loop {
        let event = tokio::select! {
            biased;
            () = ctx.cut.cancelled(), if !plan.is_cut() => Event::CutRequested,
            () = &mut idle, if !plan.legs_gone() => Event::LegsGone,
            () = &mut closed, if !plan.servers_closed() => Event::ServersClosed,
            () = tokio::time::sleep_until(plan.deadline().into()) => Event::DeadlinePassed,
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
