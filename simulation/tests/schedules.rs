//! Thousands of worlds, each from a seed of its own, and the ways to have one of them again.
//!
//! ```sh
//! cargo test -p relay-simulation                                            # as in CI, the same worlds each time
//! RELAY_SIM_SCHEDULES=100000 cargo test --release -p relay-simulation       # more of them
//! RELAY_SIM_SEED=42 cargo test -p relay-simulation replay -- --nocapture    # one, with all that happens in it
//! ```

use std::ops::Range;

use relay_simulation::{Plan, Smaller, run, shrink};

/// Seeds count up from here.
const FIRST_SEED: u64 = 0x5eed_0000;

/// Worlds of one run, in blocks that can run side by side.
const SCHEDULES: u64 = 2_000;
const BLOCKS: u64 = 8;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    let number = value.strip_prefix("0x").map_or_else(
        || value.parse(),
        |hexadecimal| u64::from_str_radix(hexadecimal, 16),
    );
    Some(number.unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

fn seeds_of_block(number: u64) -> Range<u64> {
    let schedules = variable("RELAY_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let each = schedules.div_ceil(BLOCKS);
    let first = FIRST_SEED + number * each;
    first..first + each
}

fn assert_all_is_well(seeds: Range<u64>) {
    let is_whole = seeds.end - seeds.start >= SCHEDULES / BLOCKS;
    let mut unseen = Vec::from(CLOSES);
    for seed in seeds {
        let plan = Plan::drawn(seed);
        let story = run(&plan, &Smaller::all_of(&plan));
        assert!(story.faults.is_empty(), "{}", report(&plan, &story.faults));
        for close in story.trace.closes() {
            unseen.retain(|expected| *expected != close);
        }
    }
    assert!(!is_whole || unseen.is_empty(), "nobody read {unseen:?}");
}

/// What somebody reads in each block, or the worlds have become too tame to show anything.
const CLOSES: [(u16, &str); 15] = [
    (1000, ""),
    (1001, "shutting down"),
    (1002, "reserved bits set without an extension"),
    (1005, ""),
    (1007, "text is not UTF-8"),
    (1008, "message timeout"),
    (1009, "message too big"),
    (1011, "heartbeat timeout"),
    (1011, "invalid close code"),
    (1011, "phone backlog full"),
    (4123, ""),
    (4404, "binary reclaimed server-id"),
    (4404, "no server with that id"),
    (4409, "server-id already claimed"),
    (4429, "too many phones for server-id"),
];

/// What is wrong, in the whole world and in the smallest part of it that fails, and how to have that part again.
fn report(plan: &Plan, faults: &[String]) -> String {
    let seed = plan.seed();
    let (smallest, story) = shrink(plan);
    format!(
        "seed {seed:#x} fails: {faults:#?}\nshrunk: {:#?}\nreplay: RELAY_SIM_SEED={seed:#x} \
         RELAY_SIM_KEEP={smallest} cargo test -p relay-simulation replay -- --nocapture\n",
        story.faults
    )
}

macro_rules! blocks {
    ($($name:ident: $number:literal),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let seeds = seeds_of_block($number);
                println!("seeds {seeds:#x?}");
                assert_all_is_well(seeds);
            }
        )*
    };
}

blocks! {
    schedules_of_block_0: 0,
    schedules_of_block_1: 1,
    schedules_of_block_2: 2,
    schedules_of_block_3: 3,
    schedules_of_block_4: 4,
    schedules_of_block_5: 5,
    schedules_of_block_6: 6,
    schedules_of_block_7: 7,
}

/// The world of `RELAY_SIM_SEED`, or what `RELAY_SIM_KEEP` leaves of it, with all that happens in it.
#[test]
fn replay() {
    let plan = Plan::drawn(variable("RELAY_SIM_SEED").unwrap_or(FIRST_SEED));
    let kept = std::env::var("RELAY_SIM_KEEP").ok();
    let kept = kept.map_or_else(
        || Smaller::all_of(&plan),
        |kept| kept.parse().unwrap_or_else(|error| panic!("{error}")),
    );
    let story = run(&plan, &kept);
    println!("{plan:#?}\n{}", story.trace);
    assert!(story.faults.is_empty(), "{:#?}", story.faults);
}

#[test]
fn a_seed_is_the_same_world_each_time() {
    for seed in FIRST_SEED..FIRST_SEED + 40 {
        let plan = Plan::drawn(seed);
        let [first, second] = [(); 2].map(|()| run(&plan, &Smaller::all_of(&plan)).trace);
        assert_eq!(first.fingerprint(), second.fingerprint(), "seed {seed:#x}");
    }
}
