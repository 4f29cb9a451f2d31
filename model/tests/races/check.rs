//! A race under many schedules, or under the one that failed.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::sync::atomic::AtomicUsize;
use shuttle::{Config, Runner};

use crate::Relay;
use crate::race::race;

/// Schedules per scheduler, unless `RELAY_MODEL_ITERATIONS` says otherwise.
const ITERATIONS: usize = 2000;

/// Fixed, so that a test which passed passes again; `RELAY_MODEL_SEED` sets another.
const SEED: u64 = 0x5eed;

/// Changes of priority in a schedule under PCT: bugs that need up to three threads in one order are found with a
/// probability that the authors bound from below (Burckhardt et al., ASPLOS 2010).
const PCT_DEPTH: usize = 3;

/// Runs a race under random schedules, which switch threads often, and under PCT, which switches them seldom; with
/// `RELAY_MODEL_REPLAY` under that one schedule only.
///
/// # Panics
/// The race panicked, or its threads wait for each other. The schedule is printed, and how to repeat it.
pub(crate) fn check(race: impl Fn() + Clone + Send + Sync + 'static) {
    if let Ok(schedule) = env::var("RELAY_MODEL_REPLAY") {
        let mut replay = ReplayScheduler::new_from_encoded(&schedule);
        // As printed when the first thread panics: the others had not come to their end.
        replay.set_allow_incomplete();
        Runner::new(replay, config()).run(race);
        return;
    }
    let iterations = number("RELAY_MODEL_ITERATIONS").map_or(ITERATIONS, |n| n as usize);
    let seed = number("RELAY_MODEL_SEED").unwrap_or(SEED);
    let random = RandomScheduler::new_from_seed(seed, iterations);
    run("random", seed, random, race.clone());
    let pct = PctScheduler::new_from_seed(seed, PCT_DEPTH, iterations);
    run("PCT", seed, pct, race);
}

#[expect(
    clippy::print_stderr,
    reason = "beside the schedule that shuttle prints there"
)]
fn run(
    name: &str,
    seed: u64,
    scheduler: impl Scheduler + 'static,
    race: impl Fn() + Send + Sync + 'static,
) {
    let run = AssertUnwindSafe(|| Runner::new(scheduler, config()).run(race));
    if let Err(panic) = catch_unwind(run) {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("<test>");
        eprintln!(
            "{name} schedules from seed {seed} failed; again: cargo xtask model --filter {test} --replay <schedule>"
        );
        resume_unwind(panic);
    }
}

fn config() -> Config {
    let mut config = Config::new();
    // The default is too little for formatting in a debug build.
    config.stack_size = 256 << 10;
    // Or guards of a failed run go on to leave, fail in their turn, and abort the process.
    config
        .ungraceful_shutdown_config
        .immediately_return_on_panic = true;
    // That atomics are sequentially consistent is said once, in the crate.
    config.silence_warnings = true;
    config
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[test]
#[should_panic(expected = "both added to nothing")]
fn an_update_that_can_get_lost_does() {
    check(|| {
        let sum = Arc::new(AtomicUsize::new(0));
        let add = || {
            let sum = Arc::clone(&sum);
            move || sum.store(sum.load(Ordering::SeqCst) + 1, Ordering::SeqCst)
        };
        race(add(), add());
        assert_eq!(sum.load(Ordering::SeqCst), 2, "both added to nothing");
    });
}

/// With locks of its own no test here would show anything, and each would pass.
#[test]
#[should_panic(expected = "outside of a Shuttle test")]
fn the_registry_works_under_the_scheduler_only() {
    drop(Relay::new().try_claim("s"));
}
