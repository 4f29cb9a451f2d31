//! When a deadline is judged, and what a late look does not conclude.

use super::*;
use crate::testing::in_time;

const SECOND: Duration = Duration::from_secs(1);

/// Looks at a deadline of 10 s at each of these moments, in milliseconds: when each look says that it is judged.
#[track_caller]
fn check(looks: &[(u64, u64)]) {
    let start = clock::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut second_look = SecondLook::default();
    for &(now, judged) in looks {
        let deadline = Earliest::default().or(Some(at(10_000)));
        let judges_at = second_look.judges_at(deadline, at(now));
        assert_eq!(judges_at, Some(at(judged)), "at {now} ms");
    }
}

#[test]
fn a_deadline_that_is_noticed_in_time_is_judged_at_once() {
    check(&[(0, 10_000), (9_999, 10_000), (10_000, 10_000)]);
    check(&[(10_100, 10_000)]);
}

#[test]
fn a_deadline_that_is_noticed_late_is_put_off_once() {
    let judged = 10_101 + 5_000;
    check(&[(10_101, judged), (judged - 1, judged), (judged, judged)]);
    check(&[(0, 10_000), (10_101, judged), (60_000, judged)]);
}

#[test]
fn the_next_deadline_is_put_off_anew() {
    let start = clock::now();
    let deadline = |at: u32| Earliest::default().or(Some(start + at * SECOND));
    let mut look = SecondLook::default();
    let judged = look.judges_at(deadline(10), start + 40 * SECOND);
    assert_eq!(judged, Some(start + 45 * SECOND));
    // The peer has been heard: nothing is due, or something later.
    for (next, judged) in [(None, None), (Some(70), Some(start + 70 * SECOND))] {
        let next = next.map_or_else(Earliest::default, deadline);
        assert_eq!(look.judges_at(next, start + 41 * SECOND), judged);
        let judged = look.judges_at(deadline(70), start + 90 * SECOND);
        assert_eq!(judged, Some(start + 95 * SECOND));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_is_noticed_late_waits_for_a_second_look() {
    for (answers_at, expected) in [(9, Ok(9)), (11, Err(TimedOut))] {
        let start = clock::now();
        let at = |s: u32| (start + s * SECOND).into();
        let answer = pin!(async {
            tokio::time::sleep_until(at(answers_at)).await;
            answers_at
        });
        assert_eq!(in_time(timeout(10 * SECOND, answer)).await, expected);
        let waited = clock::now() - start;
        assert!(
            waited <= 10 * SECOND + Duration::from_millis(1),
            "{waited:?}"
        );
    }
    for (answers_after, expected) in [(0, Ok(())), (4, Ok(())), (6, Err(TimedOut))] {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let mut answered = pin!(async { answered.await.expect("an answer") });
        let mut waiting = pin!(timeout(10 * SECOND, answered.as_mut()));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        tokio::time::advance(40 * SECOND).await;
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        let answering = async {
            tokio::time::sleep(answers_after * SECOND).await;
            let _ = answer.send(());
        };
        let (result, ()) = tokio::join!(in_time(waiting), answering);
        assert_eq!(result, expected, "{answers_after} s after the wake-up");
    }
}
