//! A stop while wakes are under way.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::bench::{Bench, OUTCOMES, series, settle, wake};
use crate::executable::events;
use crate::google::Answer;
use crate::peers::close_code;

#[expect(
    clippy::disallowed_methods,
    reason = "how long a stop takes is what is tested"
)]
fn now() -> Instant {
    Instant::now()
}

/// Seven wakes, of which one waits for its rate, and a signal: each has its one line, and nobody waits for Google.
async fn check(bench: Bench) {
    let mut binary = bench.binary("s").await;
    for token in 1..=7 {
        wake(&mut binary, &format!("T{token}")).await;
    }
    settle(&mut binary).await;
    for (series, value) in [("in_flight", 6.0), ("queued", 1.0)] {
        let series = format!("pyrycode_relay_push_{series}");
        bench.relay.metric_becomes(&series, value).await;
    }
    for outcome in ["send_failed", "token_fetch_failed"] {
        assert_eq!(bench.relay.metric(&series(outcome)).await, 0.0);
    }
    let start = now();
    bench.relay.signal(Signal::TERM);
    assert_eq!(close_code(binary).await, 1001);
    let ended = bench.relay.exit().await;
    let took = start.elapsed();
    assert_eq!(ended.code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    let outcomes = events(&ended.log, OUTCOMES);
    assert_eq!(outcomes.len(), 7, "{outcomes:#?}");
    for told in &outcomes {
        assert_eq!(told["msg"], "push_wake_send_failed");
        let err = "relay: fcm send failed: the relay is stopping";
        assert_eq!(
            (&told["level"], &told["err"]),
            (&json!("WARN"), &json!(err))
        );
    }
    // The drain is told of first: wakes are cancelled behind it.
    let complete = events(&ended.log, &["shutdown complete"]);
    assert_eq!(complete.len(), 1);
}

#[tokio::test]
async fn o63_sends_in_flight_are_cancelled_and_told_of_once() {
    let bench = Bench::start().await;
    bench.google.fcm_always(Answer::Hang);
    check(bench).await;
}

#[tokio::test]
async fn o63_a_token_request_in_flight_is_cancelled_too() {
    let bench = Bench::start().await;
    bench.google.token_always(Answer::Hang);
    check(bench).await;
}
