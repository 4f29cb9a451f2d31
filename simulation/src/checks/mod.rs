//! What must hold of a world: before its drain if it is settled, when the drain is over, and when everybody is gone.
//! What holds of each single frame and notice is looked at as it is read, by its reader.

mod closes;
mod deliveries;
mod drained;
mod endings;
mod notices;
mod settled;

use std::time::Duration;

use crate::ledger::{Ledger, Record};
use crate::plan::{Flavour, Plan, Role};
use crate::world::World;

pub(crate) use drained::drained;
pub(crate) use settled::settled;

/// A conflict probe, and a little more.
const PROBED: Duration = Duration::from_secs(11);

/// Looks at everything once more, when everybody is gone.
pub(crate) fn over(world: &World) {
    let mut ledger = world.ledger.lock();
    let scene = Scene {
        plan: &world.plan,
        ledger: &ledger,
    };
    let mut faults = Vec::new();
    for (me, record) in scene.records() {
        let who = format!("{:?} {me}", record.role);
        let mut found = |what: Option<String>| {
            faults.extend(what.map(|what| format!("{who}: {what}")));
        };
        found(closes::verdict(&scene, me));
        found(closes::missing_refusal(&scene, me));
        found(endings::of_peer(&scene, record));
        found(endings::of_relay(&scene, record));
        found(endings::of_directive(&scene, me));
        if record.role == Role::Binary {
            faults.extend(deliveries::at_drain(&scene, me));
            faults.extend(notices::told(&scene, me));
        }
    }
    faults.extend(queues(&scene));
    ledger.faults.extend(faults);
}

/// What the checks look at.
struct Scene<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
}

impl<'a> Scene<'a> {
    fn records(&self) -> impl Iterator<Item = (usize, &'a Record)> + use<'a> {
        self.ledger.records.iter().enumerate()
    }

    fn record(&self, at: usize) -> &'a Record {
        &self.ledger.records[at]
    }

    /// Binaries of the same server-id, `me` aside, that came at all.
    fn binaries_beside(&self, me: usize) -> impl Iterator<Item = (usize, &'a Record)> + use<'a> {
        let server = self.record(me).server;
        self.records().filter(move |(at, record)| {
            *at != me
                && record.server == server
                && record.role == Role::Binary
                && record.dialed.is_some()
        })
    }

    /// When the drain began; never, in a world that came to no drain.
    fn drain_began(&self) -> Duration {
        self.ledger.drain_began.unwrap_or(Duration::MAX)
    }

    /// From when on a binary holds its server-id without a doubt, if it ever does: it is not told.
    fn surely_holds_from(&self, me: usize) -> Option<Duration> {
        let record = self.record(me);
        let (dialed, up) = (record.dialed?, record.up?);
        let is_contested = self.binaries_beside(me).any(|(_, other)| {
            let came_before = other.dialed.is_some_and(|at| at <= up);
            let left_before = other.dropped_by_relay().is_some_and(|at| at < dialed);
            came_before && !left_before
        });
        if !is_contested {
            return Some(up);
        }
        let from = up + PROBED;
        let was_refused = record.close_code() == Some(4409);
        let was_there = record.ending.is_none_or(|(_, at)| at > from)
            && record.leaving.is_none_or(|at| at > from)
            && self.drain_began() > from;
        (was_there && !was_refused).then_some(from)
    }

    /// Whether the drain leaves a sound peer the time for everything that was queued for it.
    fn has_time_to_flush(&self, record: &Record, actor: usize) -> bool {
        let is_instant = self.plan.actors[actor].link.delay_ms == (0, 0);
        let is_patient = self.plan.drain.deadline >= Duration::from_secs(10);
        record.is_sound()
            && self.plan.drain.cut_after.is_none()
            && self.plan.flavour != Flavour::Pressed
            && (is_instant || is_patient)
    }
}

/// The largest allocation of one chunk, and of one message that is larger, in these worlds.
const LARGEST_CHUNK: usize = 80 << 10;
const LARGEST_PRESSED_MESSAGE: usize = 8 << 10;

/// What phones' queues hold beyond the budget is the one chunk of each that is being written; a binary's queue is
/// never dropped for it, but its phones wait at the high-water mark.
fn queues(scene: &Scene<'_>) -> Option<String> {
    let bounds = scene.plan.bounds;
    if scene.plan.flavour != Flavour::Pressed {
        return None;
    }
    let of = |role| scene.records().filter(move |(_, r)| r.role == role).count();
    let per_binary = bounds.binary_high_water + bounds.phones_per_server * LARGEST_PRESSED_MESSAGE;
    let most =
        bounds.queue_memory + of(Role::Binary) * 2 * per_binary + of(Role::Phone) * LARGEST_CHUNK;
    let queued = scene.ledger.most_queued;
    (queued > most).then(|| format!("{queued} bytes were queued, with a budget for {most}"))
}
