//! Every transition of the schedule.

use super::*;
use crate::certificate::testing::{DAY, now};
use crate::names::Domains;

const MINUTE: Duration = Duration::from_secs(60);
const HALF: Draw = Draw::new(0.5);
const HOUR: Duration = Duration::from_secs(3_600);

fn config() -> AcmeConfig {
    AcmeConfig::new(Domains::new(["relay.example.com"]).unwrap())
}

fn days(before: u32, after: u32) -> Validity {
    Validity {
        not_before: now() - DAY * before,
        not_after: now() + DAY * after,
    }
}

fn with(validity: Validity) -> Schedule {
    Schedule::new(&config(), Some(validity), now())
}

fn empty() -> Schedule {
    Schedule::new(&config(), None, now())
}

#[test]
fn nothing_in_the_cache_is_due_at_once() {
    assert_eq!(empty().due(now()), Some(Task::Issue));
}

#[test]
fn a_third_of_the_life_before_its_end_but_at_most_thirty_days() {
    for (lifetime, lead) in [
        (DAY * 90, DAY * 30),
        (DAY * 47, DAY * 47 / 3),
        (DAY * 6, DAY * 2),
        (Duration::from_secs(9), Duration::from_secs(3)),
        (DAY * 3_650, DAY * 30),
    ] {
        let validity = Validity {
            not_before: now(),
            not_after: now() + lifetime,
        };
        let mut schedule = with(validity);
        schedule.no_window();
        let due = validity.not_after - lead;
        assert_eq!(
            schedule.due(due - Duration::from_millis(1)),
            None,
            "{lifetime:?}"
        );
        assert_eq!(schedule.due(due), Some(Task::Issue), "{lifetime:?}");
    }
}

#[test]
fn a_restart_with_a_good_certificate_asks_nothing_for_an_hour() {
    let schedule = with(days(1, 31));
    assert_eq!(schedule.due(now()), None);
    assert_eq!(schedule.due(now() + HOUR - MINUTE), None);
    assert_eq!(schedule.due(now() + HOUR), Some(Task::AskWindow));
}

#[test]
fn waits_double_from_a_minute_to_an_hour() {
    let mut schedule = empty();
    let mut at = now();
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        schedule.failed(Retry::BackOff, at, HALF);
        let wait = MINUTE * minutes;
        assert_eq!(
            schedule.due(at + wait - Duration::from_millis(1)),
            None,
            "{minutes}"
        );
        at += wait;
        assert_eq!(schedule.due(at), Some(Task::Issue), "{minutes}");
    }
    for _ in 0..100 {
        schedule.failed(Retry::BackOff, at, Draw::new(0.999));
    }
    assert_eq!(schedule.due(at + HOUR * 5 / 4), Some(Task::Issue));
}

#[test]
fn waits_are_spread_by_a_quarter_each_way() {
    for (draw, wait) in [(0.0, MINUTE * 3 / 4), (0.5, MINUTE)] {
        let mut schedule = empty();
        schedule.failed(Retry::BackOff, now(), Draw::new(draw));
        assert_eq!(schedule.due(now() + wait - Duration::from_millis(1)), None);
        assert_eq!(schedule.due(now() + wait), Some(Task::Issue));
    }
}

#[test]
fn success_begins_the_waits_anew() {
    let mut schedule = empty();
    for _ in 0..5 {
        schedule.failed(Retry::BackOff, now(), HALF);
    }
    schedule.issued(days(0, 90), now());
    schedule.stored();
    let renewal = now() + DAY * 60;
    assert_eq!(schedule.due(renewal), Some(Task::Issue));
    schedule.failed(Retry::BackOff, renewal, HALF);
    assert_eq!(schedule.due(renewal + MINUTE), Some(Task::Issue));
}

#[test]
fn a_certificate_that_is_due_when_it_comes_is_not_ordered_in_a_loop() {
    let mut schedule = empty();
    schedule.issued(days(80, 1), now());
    schedule.stored();
    assert_eq!(schedule.due(now()), None);
    assert_eq!(schedule.due(now() + MINUTE), Some(Task::Issue));
}

#[test]
fn a_short_lived_certificate_is_retried_in_time() {
    for (lifetime, waits) in [
        (DAY * 6, [MINUTE, MINUTE * 2, MINUTE * 4]),
        (HOUR, [MINUTE, MINUTE * 2, MINUTE * 2]),
        (MINUTE * 5, [Duration::from_secs(10); 3]),
        (Duration::from_secs(6), [HASTY_DELAY; 3]),
    ] {
        let validity = Validity {
            not_before: now(),
            not_after: now() + lifetime,
        };
        let mut schedule = empty();
        schedule.issued(validity, now());
        schedule.stored();
        schedule.no_window();
        let mut at = now() + lifetime * 2 / 3;
        assert_eq!(schedule.due(at), Some(Task::Issue), "{lifetime:?}");
        for wait in waits {
            schedule.failed(Retry::BackOff, at, HALF);
            at += wait;
            let before = at - Duration::from_millis(1);
            assert_eq!(schedule.due(before), None, "{lifetime:?}");
            assert_eq!(schedule.due(at), Some(Task::Issue), "{lifetime:?}");
        }
    }
}

#[test]
fn a_stale_nonce_is_retried_at_once_and_not_for_ever() {
    let mut schedule = empty();
    let mut at = now();
    for _ in 0..MAX_HASTY {
        schedule.failed(Retry::Hasty, at, HALF);
        at += HASTY_DELAY;
        assert_eq!(schedule.due(at), Some(Task::Issue));
    }
    schedule.failed(Retry::Hasty, at, HALF);
    assert_eq!(schedule.due(at + MINUTE), None);
    assert_eq!(schedule.due(at + HOUR), Some(Task::Issue));
}

#[test]
fn a_limit_of_the_authority_is_respected() {
    let mut schedule = empty();
    schedule.failed(Retry::Rarely, now(), HALF);
    assert_eq!(schedule.due(now() + HOUR - MINUTE), None);
    assert_eq!(schedule.due(now() + HOUR), Some(Task::Issue));

    for (asked, kept) in [
        (MINUTE * 7, MINUTE * 7),
        (DAY * 9, HOUR * 2),
        (Duration::ZERO, HASTY_DELAY),
    ] {
        let mut schedule = empty();
        schedule.failed(Retry::After(asked), now(), HALF);
        assert_eq!(
            schedule.due(now() + kept - Duration::from_millis(1)),
            None,
            "{asked:?}"
        );
        assert_eq!(schedule.due(now() + kept), Some(Task::Issue), "{asked:?}");
    }
}

#[test]
fn a_clock_that_is_put_back_does_not_stop_the_retries() {
    let mut schedule = empty();
    schedule.failed(Retry::BackOff, now() + DAY * 365, HALF);
    assert_eq!(schedule.due(now()), Some(Task::Issue));

    let mut schedule = with(days(0, 90));
    schedule.no_window();
    schedule.not_stored(now() + DAY * 365, HALF);
    assert_eq!(schedule.due(now()), Some(Task::Store));
    schedule.stored();
    schedule.window_not_told(now() + DAY * 365);
    assert_eq!(schedule.due(now()), Some(Task::AskWindow));
}

/// Nothing succeeds, and the clock is set again and again: a day has its tasks, and not one after the other.
#[test]
fn a_clock_that_jumps_makes_nothing_turn_in_a_loop() {
    const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
    for (ahead, back) in [(HOUR, HOUR), (YEARS, YEARS), (HOUR, YEARS), (YEARS, HOUR)] {
        let mut schedule = with(days(30, 60));
        let mut at = now();
        for jump in 0..6 {
            at = if jump % 2 == 0 { at + ahead } else { at - back };
            let tomorrow = at + DAY;
            let mut tasks = 0;
            while at < tomorrow {
                match schedule.due(at) {
                    Some(Task::Issue) => schedule.failed(Retry::BackOff, at, HALF),
                    Some(Task::Store) => schedule.not_stored(at, HALF),
                    Some(Task::AskWindow) => schedule.window_not_told(at),
                    None => {
                        let nap = schedule.nap(at);
                        assert!(nap > Duration::ZERO && nap <= MAX_NAP, "{nap:?}");
                        at += nap;
                        continue;
                    }
                }
                tasks += 1;
            }
            // Eight questions, orders as often as their waits double up to an hour, and a margin.
            assert!(tasks <= 8 + 6 + 24 + 4, "{tasks} tasks on a day");
        }
        schedule.not_stored(at, HALF);
    }
}

#[test]
fn what_was_issued_is_stored_and_a_full_disk_is_tried_again() {
    let mut schedule = empty();
    schedule.issued(days(0, 90), now());
    assert_eq!(schedule.due(now()), Some(Task::Store));
    schedule.not_stored(now(), HALF);
    assert_eq!(schedule.due(now() + MINUTE), None);
    assert_eq!(schedule.due(now() + MINUTE * 15), Some(Task::Store));
    schedule.stored();
    assert_eq!(schedule.due(now() + MINUTE * 15), None);
}

#[test]
fn renews_where_the_authority_suggests() {
    let window = Validity {
        not_before: now() + DAY * 10,
        not_after: now() + DAY * 12,
    };
    let mut schedule = with(days(0, 90));
    assert!(!schedule.has_window());
    schedule.window(window, HOUR * 6, now(), HALF);
    assert!(schedule.has_window());
    assert_eq!(schedule.due(now() + HOUR * 6), Some(Task::AskWindow));
    // The same window again leaves the moment where it was drawn.
    schedule.window(window, DAY * 99, now() + DAY * 10, Draw::new(0.0));
    assert_eq!(schedule.due(now() + DAY * 10), None);
    assert_eq!(schedule.due(now() + DAY * 11), Some(Task::Issue));

    let past = Validity {
        not_before: now() - DAY,
        not_after: now() - HOUR,
    };
    schedule.window(past, HOUR, now(), Draw::new(0.9));
    assert_eq!(
        schedule.due(now()),
        Some(Task::Issue),
        "a certificate about to be revoked"
    );
}

#[test]
fn a_late_window_leaves_half_of_the_margin() {
    let late = Validity {
        not_before: now() + DAY * 80,
        not_after: now() + DAY * 90,
    };
    let mut schedule = with(days(0, 90));
    schedule.window(late, DAY, now(), HALF);
    schedule.no_window();
    assert_eq!(schedule.due(now() + DAY * 75 - MINUTE), None);
    assert_eq!(schedule.due(now() + DAY * 75), Some(Task::Issue));
}

#[test]
fn an_authority_without_windows_is_not_asked_again() {
    let mut schedule = with(days(0, 90));
    schedule.no_window();
    assert_eq!(schedule.due(now() + DAY * 59), None);
    schedule.issued(days(0, 90), now());
    schedule.window_not_told(now());
    schedule.stored();
    assert_eq!(schedule.due(now() + HOUR * 6), Some(Task::AskWindow));
}

#[test]
fn naps_end_when_something_is_due_and_are_never_long() {
    assert_eq!(with(days(0, 90)).nap(now()), MAX_NAP);
    let mut schedule = empty();
    schedule.failed(Retry::BackOff, now(), HALF);
    assert_eq!(schedule.nap(now()), MINUTE);
    assert_eq!(schedule.nap(now() + MINUTE), Duration::ZERO);
}

/// Whatever happens in whatever order, when nothing is due a nap ends by the time that something is.
#[test]
fn no_nap_outlasts_a_task() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut schedule = empty();
    let mut at = now();
    for step in 0..20_000 {
        let draw = Draw::new(random(1_000) as f64 / 1_000.0);
        match schedule.due(at) {
            Some(Task::Issue) => match random(5) {
                0 => schedule.failed(Retry::Hasty, at, draw),
                1 => schedule.failed(Retry::BackOff, at, draw),
                2 => schedule.failed(Retry::Rarely, at, draw),
                3 => schedule.failed(Retry::After(Duration::from_secs(random(9_000))), at, draw),
                _ => {
                    let lifetime = Duration::from_secs(1 + random(90 * 86_400));
                    schedule.issued(
                        Validity {
                            not_before: at,
                            not_after: at + lifetime,
                        },
                        at,
                    );
                }
            },
            Some(Task::Store) if random(2) == 0 => schedule.stored(),
            Some(Task::Store) => schedule.not_stored(at, draw),
            Some(Task::AskWindow) if random(4) == 0 => schedule.no_window(),
            Some(Task::AskWindow) if random(3) == 0 => schedule.window_not_told(at),
            Some(Task::AskWindow) => {
                let not_before = at + Duration::from_secs(random(30 * 86_400));
                let window = Validity {
                    not_before,
                    not_after: not_before + HOUR,
                };
                schedule.window(window, Duration::from_secs(random(200_000)), at, draw);
            }
            None => {
                let nap = schedule.nap(at);
                assert!(
                    nap > Duration::ZERO && nap <= MAX_NAP,
                    "step {step}: {nap:?}"
                );
                let before_end = at + nap - Duration::from_nanos(1);
                assert_eq!(schedule.due(before_end), None, "step {step}: {schedule:?}");
                at += nap;
            }
        }
    }
}
