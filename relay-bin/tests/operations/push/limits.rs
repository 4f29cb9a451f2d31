//! How many wakes there may be: what D15 makes of the old relay's drops.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};

use super::bench::{Bench, DROPPED, OUTCOMES, settle, wake};
use super::sending::duration;
use crate::google::{Answer, SEND};
use crate::peers::phone;

#[expect(clippy::disallowed_methods, reason = "delay is what is tested")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn o58_beyond_six_wakes_wait_for_their_rate_and_beyond_a_minute_they_are_dropped() {
    let bench = Bench::start().await;
    let mut binary = bench.binary("s").await;
    // Six at once, six more in 10 s each, and one that would be due in more than a minute.
    for token in 1..=13 {
        wake(&mut binary, &format!("T{token}")).await;
    }
    // Joins the seventh.
    wake(&mut binary, "T7").await;
    settle(&mut binary).await;
    let mut other = bench.binary("other").await;
    wake(&mut other, "T14").await;

    bench.google.sends(7).await;
    bench.relay.wait_for(OUTCOMES, 7).await;
    let dropped = bench.relay.wait_for(&[DROPPED], 1).await;
    assert_eq!(dropped.len(), 1);
    let err = "relay: push_wake rate-limited for server-id";
    assert_eq!(
        (&dropped[0]["err"], &dropped[0]["level"]),
        (&json!(err), &json!("WARN"))
    );
    assert_eq!(bench.counts().await, [7.0, 0.0, 0.0, 0.0, 1.0]);
    for (series, value) in [
        ("pyrycode_relay_push_queued", 6.0),
        ("pyrycode_relay_push_coalesced_total", 1.0),
    ] {
        assert_eq!(bench.relay.metric(series).await, value, "{series}");
    }

    // The daemon's own end takes nothing from its wakes.
    drop(binary);
    let sends = bench.google.sends(8).await;
    assert_eq!(sends.len(), 8);
    assert!(sends[7].body.contains("\"T7\""), "{:?}", sends[7]);
    let outcomes = bench.relay.wait_for(OUTCOMES, 8).await;
    let waited = duration(&outcomes[7]);
    let due = Duration::from_millis(9_500)..Duration::from_secs(12);
    assert!(due.contains(&waited), "{waited:?}");
    assert_eq!(outcomes[7]["server_id"], "s");
    assert_eq!(bench.counts().await, [8.0, 0.0, 0.0, 0.0, 1.0]);
}

#[tokio::test]
async fn o59_a_hanging_fcm_holds_32_sends_for_10_seconds_and_no_frame() {
    const BINARIES: usize = 33;
    let bench = Bench::start().await;
    bench.google.fcm_always(Answer::Hang);
    let mut binaries = Vec::new();
    for index in 0..BINARIES {
        let mut binary = bench.binary(&format!("s{index}")).await;
        wake(&mut binary, &format!("T{index}")).await;
        settle(&mut binary).await;
        binaries.push(binary);
    }
    assert_eq!(bench.google.sends(32).await.len(), 32);
    for (series, value) in [("in_flight", 32.0), ("queued", 1.0)] {
        let series = format!("pyrycode_relay_push_{series}");
        bench.relay.metric_becomes(&series, value).await;
    }

    let mut slowest = Duration::ZERO;
    for (index, binary) in binaries.iter_mut().enumerate().step_by(8) {
        let mut phone = phone(bench.relay.addr, &format!("s{index}")).await;
        let start = now();
        phone.send("1".into()).await.unwrap();
        let text = binary.next().await.unwrap().unwrap().into_text().unwrap();
        let routed: Value = serde_json::from_str(&text).unwrap();
        let back = json!({"conn_id": routed["conn_id"], "frame": 2});
        binary.send(back.to_string().into()).await.unwrap();
        assert_eq!(phone.next().await.unwrap().unwrap(), "2".into());
        slowest = slowest.max(start.elapsed());
    }
    assert!(
        slowest < Duration::from_secs(1),
        "there and back: {slowest:?}"
    );
    assert_eq!(bench.relay.events(OUTCOMES).len(), 0, "it hangs still");
    assert_eq!(bench.google.asked(SEND).len(), 32);

    // What has hung is ended after 10 s, makes room for the 33rd and, by D15, is tried again.
    bench.google.fcm_always(Answer::new(200, "{}"));
    let outcomes = bench.relay.wait_for(OUTCOMES, BINARIES).await;
    assert_eq!(outcomes.len(), BINARIES);
    for told in &outcomes {
        // The last one was asked for when the others had hung for a while.
        let least = if told["server_id"] == "s32" { 2 } else { 10 };
        let took = Duration::from_secs(least)..Duration::from_secs(15);
        assert!(took.contains(&duration(told)), "{told}");
    }
    assert_eq!(bench.counts().await, [33.0, 0.0, 0.0, 0.0, 0.0]);
    let retries = bench.relay.metric("pyrycode_relay_push_retries_total");
    assert_eq!(retries.await, 32.0);
    assert_eq!(bench.relay.events(&[DROPPED]).len(), 0);
}
