//! Drawing what a peer does: mostly what it should, and, as the flavour of its world has it, what it should not.

use std::time::Duration;

use super::{Flavour, Offence, Step};
use crate::random::Random;
use crate::wire::Void;

impl Step {
    /// How long it keeps the peer from its next step.
    pub(crate) fn lasts(self) -> Duration {
        if let Self::Stall(length) | Self::Freeze(length) = self {
            length
        } else {
            Duration::ZERO
        }
    }
}

pub(super) fn phone_steps(flavour: Flavour, random: &mut Random) -> Vec<(Duration, Step)> {
    let wait = |random: &mut Random| match random.below(5) {
        0 | 1 => Duration::ZERO,
        2 => Duration::from_millis(random.within(1..=200) as u64),
        _ => Duration::from_millis(random.within(100..=6_000) as u64),
    };
    let mut steps = Vec::new();
    for _ in 0..random.within(1..=8) {
        let step = match random.below(10) {
            0 => Step::Ping,
            _ if flavour == Flavour::Pressed => frame(random, &[40, 500, 3_000]),
            1 => frame(random, &[1_000, 1_000, 9_000, 9_000, 70_000]),
            _ => frame(random, &[40, 130, 500]),
        };
        steps.push((wait(random), step));
    }
    let disturbances = match flavour {
        Flavour::Calm => 0,
        Flavour::Restless => 10,
        Flavour::Rough => 60,
        Flavour::Pressed => 50,
    };
    if random.percent(disturbances) {
        let at = random.below(steps.len() + 1);
        let step = match random.below(8) {
            0..=3 => stall(random),
            4 => Step::NotJson,
            5 => offence(random),
            6 => Step::HalfFrame,
            _ => Step::Freeze(Duration::from_secs(random.within(5..=40) as u64)),
        };
        steps.insert(at, (wait(random), step));
    }
    if random.percent(60) {
        let step = match random.below(8) {
            0..=3 => own_close(random),
            _ if flavour == Flavour::Calm => own_close(random),
            4 => Step::HangUp,
            5 => reset(random),
            _ => vanish(random),
        };
        steps.push((wait(random), step));
    }
    steps
}

/// A binary that `leaves` does so in its last step.
pub(super) fn binary_steps(
    flavour: Flavour,
    leaves: bool,
    random: &mut Random,
) -> Vec<(Duration, Step)> {
    let mut steps = Vec::new();
    for _ in 0..random.within(0..=5) {
        let wait = Duration::from_millis(random.within(0..=8_000) as u64);
        let step = match random.below(10) {
            0 => Step::Ping,
            1 => Step::Garbage(random.below(8)),
            2 => Step::Foreign,
            3 | 4 => Step::Directive {
                code: random.pick(&[
                    1000, 1005, 1008, 3000, 4100, 4101, 4401, 4999, 1004, 1006, 7,
                ]),
                has_frame: random.percent(50),
            },
            5 if flavour == Flavour::Rough => stall(random),
            6 if flavour == Flavour::Rough => offence(random),
            _ if flavour == Flavour::Pressed => Step::Flood {
                frames: random.within(5..=50),
                bytes: random.pick(&[200, 1_500, 6_000]),
            },
            _ => Step::Flood {
                frames: random.within(1..=12),
                bytes: random.pick(&[60, 200, 1_500]),
            },
        };
        steps.push((wait, step));
    }
    if leaves || (flavour == Flavour::Rough && random.percent(30)) {
        let wait = Duration::from_millis(random.within(0..=30_000) as u64);
        let step = match random.below(7) {
            0 | 1 => own_close(random),
            2 | 3 => Step::HangUp,
            4 => reset(random),
            5 if random.percent(40) => Step::HalfFrame,
            _ => vanish(random),
        };
        steps.push((wait, step));
    }
    steps
}

fn frame(random: &mut Random, sizes: &[usize]) -> Step {
    let most = random.pick(sizes);
    Step::Frame {
        bytes: 60 + random.below(most),
        fragments: random.pick(&[1, 1, 1, 2, 5]),
    }
}

fn own_close(random: &mut Random) -> Step {
    Step::Close(random.pick(&[Some(1000), Some(1001), Some(4242), None]))
}

fn reset(random: &mut Random) -> Step {
    Step::Reset {
        loses_what_is_under_way: random.percent(50),
    }
}

fn vanish(random: &mut Random) -> Step {
    Step::Vanish(random.pick(&[Void::Swallows, Void::Fills]))
}

fn stall(random: &mut Random) -> Step {
    Step::Stall(Duration::from_secs(random.pick(&[3, 12, 25, 50])))
}

fn offence(random: &mut Random) -> Step {
    Step::Offence(random.pick(&[
        Offence::ReservedBit,
        Offence::Unmasked,
        Offence::BadOpcode,
        Offence::BadUtf8,
        Offence::TooBig,
    ]))
}
