//! What a drain leaves behind: nothing, in time.

use std::time::Duration;

use relay_shutdown::ShutdownReport;

use crate::world::World;

/// Half a second, as documented, and what timers are rounded up by.
const LATEST: Duration = Duration::from_millis(505);

/// Called in the moment in which the drain is over.
pub(crate) fn drained(world: &World, began: Duration, report: &ShutdownReport) {
    let drain = &world.plan.drain;
    let most = drain
        .cut_after
        .unwrap_or(drain.deadline)
        .min(drain.deadline)
        + LATEST;
    let took = world.clock.elapsed() - began;
    if took > most || report.elapsed > most {
        world.fault(format!("the drain took {took:?}, more than {most:?}"));
    }
    let stats = world.registry.stats();
    let transport = world.service.stats();
    let left = world.registry.snapshot().legs().len();
    for (what, found) in [
        ("binaries", stats.connected_binaries),
        ("phones", stats.connected_phones),
        ("queued bytes", stats.queued_bytes),
        ("connections", transport.connections),
        ("legs", left),
        ("panics", transport.panics as usize),
    ] {
        if found != 0 {
            world.fault(format!("drained: {found} {what} are left"));
        }
    }
    let ended = report.closed + report.cut;
    let asked = (report.binaries + report.phones) as u64;
    if ended < asked {
        world.fault(format!("drained: {asked} legs were asked, {ended} ended"));
    }
}
