//! Drawing a plan: how many peers, when they come, over what links, and when the relay drains.

use std::time::Duration;

use super::scripts::{binary_steps, phone_steps};
use super::{Actor, Bounds, Drain, Flavour, Manner, Plan, Role};
use crate::random::Random;
use crate::wire::{Link, Narrow};

/// Longer than anything the relay waits for of its own accord, so that every timer that runs has rung.
const SETTLING: Duration = Duration::from_secs(110);

impl Plan {
    /// The world of this seed.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let random = &mut random;
        let flavour = random.pick(&[
            Flavour::Calm,
            Flavour::Rough,
            Flavour::Restless,
            Flavour::Pressed,
        ]);
        let bounds = bounds(flavour, random);
        let mut actors = Vec::new();
        for server in 0..random.within(1..=3) {
            binaries(server, flavour, random, &mut actors);
            let phones = match flavour {
                Flavour::Pressed => random.within(1..=4),
                _ if random.percent(8) => bounds.phones_per_server + 2,
                Flavour::Calm | Flavour::Rough | Flavour::Restless => random.within(1..=5),
            };
            for _ in 0..phones {
                actors.push(phone(server, flavour, random));
            }
        }
        let drain = drain(&actors, random);
        if random.percent(40) {
            // Who comes while it drains.
            for role in [Role::Phone, Role::Binary] {
                let mut late = phone(0, Flavour::Calm, random);
                late.role = role;
                late.steps.clear();
                late.is_eager = false;
                late.dials_at = drain.at + ms(random, 0..=20);
                actors.push(late);
            }
        }
        Self {
            seed,
            flavour,
            bounds,
            drain,
            actors,
        }
    }
}

fn ms(random: &mut Random, range: std::ops::RangeInclusive<usize>) -> Duration {
    Duration::from_millis(random.within(range) as u64)
}

fn bounds(flavour: Flavour, random: &mut Random) -> Bounds {
    let phones_per_server = random.within(4..=8);
    if flavour == Flavour::Pressed {
        Bounds {
            phones_per_server,
            binary_high_water: random.pick(&[1 << 10, 4 << 10, 16 << 10]),
            phone_backlog: random.pick(&[8 << 10, 32 << 10, 1 << 20]),
            queue_memory: random.pick(&[32 << 10, 128 << 10, 1 << 20]),
        }
    } else {
        Bounds {
            phones_per_server,
            binary_high_water: random.pick(&[2 << 10, 256 << 10, 256 << 10]),
            phone_backlog: 32 << 20,
            queue_memory: 256 << 20,
        }
    }
}

/// One server-id's binary through its lives.
fn binaries(server: usize, flavour: Flavour, random: &mut Random, actors: &mut Vec<Actor>) {
    let lives = match flavour {
        Flavour::Restless => random.within(2..=4),
        Flavour::Rough => random.within(1..=2),
        Flavour::Calm | Flavour::Pressed => 1,
    };
    let mut dials_at = ms(random, 0..=2_000);
    let home = random.within(1..=250) as u8;
    for life in 0..lives {
        let is_last = life + 1 == lives;
        let mut actor = blank(Role::Binary, server, flavour, random);
        actor.dials_at = dials_at;
        if random.percent(60) {
            actor.host = home;
        }
        actor.steps = binary_steps(flavour, !is_last, random);
        actor.manner = Manner {
            most_answers: random.below(4),
            answer_bytes: random.pick(&[80, 300, 2_000]),
            directives: random.pick(&[0, 0, 5, 20]),
        };
        let length: Duration = actor.steps.iter().map(|(gap, _)| *gap).sum();
        let gap = match random.below(10) {
            // Before the last one has gone, or as it goes.
            0..=2 => ms(random, 0..=10),
            3..=5 => ms(random, 10..=29_000),
            6 => Duration::from_secs(30) + ms(random, 0..=10),
            _ => ms(random, 30_000..=50_000),
        };
        dials_at += match random.below(4) {
            0 => length / 2,
            _ => length + gap,
        };
        actors.push(actor);
    }
}

fn phone(server: usize, flavour: Flavour, random: &mut Random) -> Actor {
    let mut actor = blank(Role::Phone, server, flavour, random);
    let latest = match flavour {
        Flavour::Calm | Flavour::Pressed => 6_000,
        Flavour::Rough => 20_000,
        Flavour::Restless => 100_000,
    };
    actor.dials_at = ms(random, 0..=latest);
    actor.steps = phone_steps(flavour, random);
    actor
}

fn blank(role: Role, server: usize, flavour: Flavour, random: &mut Random) -> Actor {
    Actor {
        role,
        server,
        dials_at: Duration::ZERO,
        host: random.within(1..=250) as u8,
        link: link(flavour, random),
        seed: random.next(),
        is_eager: role == Role::Phone && random.percent(10),
        is_hasty: random.percent(30),
        steps: Vec::new(),
        manner: Manner::default(),
    }
}

fn link(flavour: Flavour, random: &mut Random) -> Link {
    let delay_ms = match random.below(4) {
        0 | 1 => (0, 0),
        2 => (1, 5),
        _ => (0, 40),
    };
    let window = match random.below(4) {
        0 if flavour == Flavour::Rough => random.within(512..=4_096),
        _ => random.pick(&[8 << 10, 64 << 10]),
    };
    let piece = match random.below(4) {
        0 => random.within(100..=1_000),
        _ => 64 << 10,
    };
    // Which takes no time where there is no delay.
    let is_narrow = delay_ms == (0, 0) && random.percent(50);
    let narrow = is_narrow.then(|| Narrow {
        stretch: random.within(20..=200),
        piece: random.within(1..=7),
        window: random.pick(&[1, 2, 13, 100]),
    });
    Link {
        delay_ms,
        piece,
        window,
        narrow,
        cuts: random.pick(&[0, 10, 50]),
        hesitates: random.pick(&[0, 0, 20]),
        holds_back: random.percent(50),
    }
}

fn drain(actors: &[Actor], random: &mut Random) -> Drain {
    let ends = actors.iter().map(|actor| {
        let length: Duration = actor
            .steps
            .iter()
            .map(|(gap, step)| *gap + step.lasts())
            .sum();
        actor.dials_at + length
    });
    let end = ends.max().unwrap_or_default();
    let is_settled = random.percent(40);
    let at = if is_settled {
        end + SETTLING
    } else {
        ms(random, 500..=(end.as_millis() as usize).max(1_000))
    };
    let deadline = random.pick(&[3, 10, 10].map(Duration::from_secs));
    let spread = match random.below(3) {
        0 => deadline / random.within(2..=8) as u32,
        _ => Duration::ZERO,
    };
    let is_cut = random.percent(10);
    Drain {
        at,
        is_settled,
        deadline,
        spread,
        cut_after: is_cut.then(|| ms(random, 0..=12_000)),
    }
}
