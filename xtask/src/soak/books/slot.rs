//! What is certain about one server-id at a given time, from what its daemons did.
//!
//! A daemon knows when it decided something, and the relay hears of it later: each question here is answered for the
//! worst case of that delay, so that "certainly" means it and everything else is left open.

use std::time::Duration;

/// How long a server-id outlives its binary, as docs/PROTOCOL.md says.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// Until the relay has acted on what a peer did, on a machine that is busy with other things.
const LAG: Duration = Duration::from_secs(12);

/// After this, no living phone can have met the daemon any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// One connection of a daemon.
#[derive(Debug)]
struct Life {
    id: u64,
    dialled_at: Duration,
    /// When it had proof that it holds the server-id.
    held_at: Option<Duration>,
    /// When it decided to leave, or to let itself be displaced.
    left_at: Option<Duration>,
}

/// The daemons of one server-id, in the order in which they dialled.
#[derive(Debug, Default)]
pub(super) struct Slot {
    lives: Vec<Life>,
}

impl Slot {
    pub(super) fn claim_begun(&mut self, id: u64, now: Duration) {
        self.lives.retain(|life| {
            life.left_at
                .is_none_or(|left_at| left_at + FORGOTTEN_AFTER > now)
        });
        self.lives.push(Life {
            id,
            dialled_at: now,
            held_at: None,
            left_at: None,
        });
    }

    pub(super) fn claim_settled(&mut self, id: u64, now: Duration) {
        if let Some(life) = self.life(id) {
            life.held_at = Some(now);
        }
    }

    pub(super) fn claim_refused(&mut self, id: u64) {
        self.lives.retain(|life| life.id != id);
    }

    pub(super) fn leaving(&mut self, id: u64, now: Duration) {
        if let Some(life) = self.life(id) {
            life.left_at.get_or_insert(now);
        }
    }

    fn life(&mut self, id: u64) -> Option<&mut Life> {
        self.lives.iter_mut().find(|life| life.id == id)
    }

    /// The daemon that certainly held it all the time.
    pub(super) fn steadily_held(&self, from: Duration, to: Duration) -> Option<u64> {
        let life = self.lives.iter().find(|life| {
            life.held_at.is_some_and(|held_at| held_at <= from)
                && life.left_at.is_none_or(|left_at| left_at > to)
        })?;
        Some(life.id)
    }

    /// Whether it was certainly held or in grace all the time.
    pub(super) fn reserved(&self, from: Duration, to: Duration) -> bool {
        let mut spans: Vec<_> = self
            .lives
            .iter()
            .filter_map(|life| {
                let end = life.left_at.map_or(Duration::MAX, |at| at + GRACE);
                Some((life.held_at?, end))
            })
            .collect();
        spans.sort_unstable();
        let mut covered = from;
        for (start, end) in spans {
            if start <= covered {
                covered = covered.max(end);
            }
        }
        covered > to
    }

    /// Whether a daemon may have got it at some time in between.
    pub(super) fn may_be_claimed(&self, from: Duration, to: Duration) -> bool {
        self.lives
            .iter()
            .any(|life| life.dialled_at <= to && life.held_at.is_none_or(|held_at| held_at >= from))
    }

    /// Whether its daemon may have left, or its grace ended, at some time in between.
    pub(super) fn may_be_left(&self, from: Duration, to: Duration) -> bool {
        self.lives
            .iter()
            .filter_map(|life| life.left_at)
            .any(|left_at| left_at <= to && left_at + GRACE + LAG >= from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Held from 11 to 20, and by another from 41 on.
    fn slot() -> Slot {
        let mut slot = Slot::default();
        slot.claim_begun(1, at(10));
        slot.claim_settled(1, at(11));
        slot.leaving(1, at(20));
        slot.claim_begun(2, at(40));
        slot.claim_settled(2, at(41));
        slot
    }

    #[test]
    fn a_life_is_steady_between_its_proof_and_its_leave() {
        let slot = slot();
        for (from, to, steady) in [
            (10, 15, None),
            (11, 19, Some(1)),
            (11, 20, None),
            (30, 35, None),
            (41, 1000, Some(2)),
        ] {
            let found = slot.steadily_held(at(from), at(to));
            assert_eq!(found, steady, "{from} to {to}");
        }
    }

    #[test]
    fn grace_reserves_it_until_the_next_daemon() {
        let mut slot = slot();
        for (from, to, reserved) in [
            (10, 15, false),
            (11, 49, true),
            (11, 1000, true),
            (45, 1000, true),
        ] {
            assert_eq!(slot.reserved(at(from), at(to)), reserved, "{from} to {to}");
        }
        slot.claim_refused(2);
        assert!(slot.reserved(at(11), at(49)));
        assert!(!slot.reserved(at(11), at(50)));
    }

    #[test]
    fn a_claim_may_take_effect_from_its_dial_to_its_proof() {
        let slot = slot();
        for (from, to, may) in [
            (12, 39, false),
            (12, 40, true),
            (41, 50, true),
            (42, 50, false),
        ] {
            let found = slot.may_be_claimed(at(from), at(to));
            assert_eq!(found, may, "{from} to {to}");
        }
    }

    #[test]
    fn a_leave_is_felt_until_its_grace_has_ended() {
        let slot = slot();
        for (from, to, may) in [
            (12, 19, false),
            (12, 20, true),
            (55, 60, true),
            (63, 70, false),
        ] {
            let found = slot.may_be_left(at(from), at(to));
            assert_eq!(found, may, "{from} to {to}");
        }
    }
}
