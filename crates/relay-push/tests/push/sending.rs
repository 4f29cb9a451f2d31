//! How wakes are sent, and how they end.

use std::net::TcpListener;
use std::time::Duration;

use relay_core::WakeRefused;
use relay_push::Stats;
use serde_json::json;
use tokio::time::timeout;

use crate::bench::{Bench, OUTCOME};
use crate::google::{Answer, SEND, TOKEN};

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

fn error_body(status: &str, code: &str) -> String {
    let detail = json!({"@type": FCM_ERROR, "errorCode": code});
    let error = json!({"status": status, "message": "MARKER", "details": [detail]});
    json!({ "error": error }).to_string()
}

#[track_caller]
fn assert_failed(line: &str, err: &str) {
    assert!(line.contains(" WARN "), "{line}");
    assert!(line.contains("push_wake_send_failed"), "{line}");
    assert!(line.ends_with(&format!("err={err}")), "{line}");
}

#[tokio::test]
async fn o53_c48_a_wake_is_one_token_request_and_one_send() {
    let bench = Bench::start().await;
    let line = bench.outcome("DEVICE", 1).await;
    assert!(line.contains(" INFO "), "{line}");
    assert!(line.contains("push_wake_sent"), "{line}");
    assert!(line.contains(r#"server_id="server-1""#), "{line}");
    // printf DEVICE | sha256sum
    assert!(line.contains("token_fp=f92fc83b"), "{line}");
    assert!(line.contains("ms"), "{line}");
    assert!(
        line.contains("fcm_message_id=projects/example/messages/1"),
        "{line}"
    );

    let fetches = bench.google.asked(TOKEN);
    let [fetch] = &fetches[..] else {
        panic!("{fetches:?}");
    };
    assert_eq!(fetch.method, "POST");
    assert_eq!(
        fetch.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let jwt = fetch
        .body
        .strip_prefix(grant)
        .expect("the grant comes first");
    assert_eq!(jwt.split('.').count(), 3);

    let sends = bench.google.sends(1).await;
    let [send] = &sends[..] else {
        panic!("{sends:?}");
    };
    assert_eq!(send.method, "POST");
    assert_eq!(send.path, "/v1/projects/example-project/messages:send");
    assert_eq!(send.headers["authorization"], "Bearer ACCESS");
    assert_eq!(send.headers["content-type"], "application/json");
    assert_eq!(
        send.body,
        r#"{"message":{"token":"DEVICE","android":{"priority":"HIGH"}}}"#
    );

    bench.outcome("OTHER", 2).await;
    assert_eq!(bench.google.asked(TOKEN).len(), 1, "the token is kept");
    assert_eq!(bench.google.asked(SEND).len(), 2);
}

#[tokio::test]
async fn o53_a_key_without_a_project_wakes_the_published_app() {
    let bench = Bench::with(|config| config, |key| key["project_id"] = json!("")).await;
    bench.outcome("T", 1).await;
    let sends = bench.google.sends(1).await;
    assert_eq!(sends[0].path, "/v1/projects/pyrycode-mobile/messages:send");
}

#[tokio::test]
async fn o54_o56_o57_every_answer_has_its_outcome_and_its_text() {
    let bench = Bench::start().await;
    let elsewhere = bench.google.url() + "/elsewhere/messages:send";
    let padded = error_body("NOT_FOUND", "UNREGISTERED") + &" ".repeat(4096);
    let failed = |text: &str| Err(format!("relay: fcm send failed: {text}"));
    let cases = [
        (Answer::new(200, r#"{"name":"a/b"}"#), Ok(Some("a/b"))),
        (Answer::new(200, ""), Ok(None)),
        (Answer::new(204, ""), Ok(None)),
        (Answer::new(200, r#"{"name":"a b"}"#), Ok(None)),
        (
            Answer::new(200, format!(r#"{{"name":"a"}}{}"#, " ".repeat(4096))),
            Ok(None),
        ),
        (
            Answer::new(404, error_body("NOT_FOUND", "UNREGISTERED")),
            failed("status 404 (NOT_FOUND, UNREGISTERED)"),
        ),
        (
            Answer::new(400, error_body("INVALID_ARGUMENT", "MARKER x")),
            failed("status 400 (INVALID_ARGUMENT)"),
        ),
        (Answer::new(403, "MARKER"), failed("status 403")),
        (Answer::new(404, padded), failed("status 404")),
        (
            Answer::new(307, "").header("location", elsewhere),
            failed("status 307"),
        ),
    ];
    for (nth, (answer, expected)) in (1..).zip(&cases) {
        bench.google.fcm_answers([answer.clone()]);
        let line = bench.outcome(&format!("T{nth}"), nth).await;
        match expected {
            Ok(Some(id)) => {
                assert!(line.contains(&format!("fcm_message_id={id}")), "{line}");
            }
            Ok(None) => assert!(!line.contains("fcm_message_id"), "{line}"),
            Err(err) => assert_failed(&line, err),
        }
    }
    assert_eq!(bench.logs.lines(OUTCOME).len(), cases.len());
    assert_eq!(bench.google.asked(SEND).len(), cases.len());
    let Stats {
        sent,
        unregistered,
        send_failed,
        ..
    } = bench.waker.stats();
    assert_eq!((sent, unregistered, send_failed), (5, 1, 4));
    assert!(!bench.logs.text().contains("MARKER"));
}

#[tokio::test]
async fn o54_without_an_access_token_fcm_is_not_asked() {
    let bench = Bench::start().await;
    let huge = format!(r#"{{"access_token":"A","x":"{}"}}"#, "x".repeat(1 << 20));
    let bare = "relay: fcm access-token fetch failed";
    let refused = format!("{bare}: status 401");
    let redirected = format!("{bare}: status 307");
    // Were it followed, it would be one more fetch.
    let redirect = Answer::new(307, "MARKER").header("location", bench.google.url() + TOKEN);
    for (nth, answer, err) in [
        (1, Answer::new(401, r#"{"error":"MARKER"}"#), &*refused),
        (2, Answer::new(200, "MARKER"), bare),
        (3, Answer::new(200, huge), bare),
        (4, redirect, &*redirected),
    ] {
        bench.google.token_answers([answer]);
        assert_failed(&bench.outcome(&format!("T{nth}"), nth).await, err);
    }
    assert_eq!(bench.google.asked(TOKEN).len(), 4);
    assert_eq!(bench.google.asked(SEND).len(), 0);
    assert_eq!(bench.waker.stats().token_fetch_failed, 4);
    assert!(!bench.logs.text().contains("MARKER"));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_told_once() {
    let bench = Bench::start().await;
    bench.google.token_answers([Answer::new(500, "")]);
    let busy = Answer::new(503, "").header("retry-after", "0");
    bench
        .google
        .fcm_answers([busy, Answer::HangUp, Answer::new(429, "")]);
    let line = bench.outcome("T", 1).await;
    assert!(line.contains("push_wake_sent"), "{line}");
    assert_eq!(bench.google.asked(TOKEN).len(), 2);
    assert_eq!(bench.google.asked(SEND).len(), 4);
    assert_eq!(bench.logs.lines(OUTCOME).len(), 1);
    let stats = bench.waker.stats();
    assert_eq!((stats.sent, stats.retried), (1, 4));
}

#[tokio::test]
async fn a_refused_access_token_is_replaced_once() {
    let bench = Bench::start().await;
    let tokens = ["FIRST", "SECOND"].map(|token| Answer::token(token, 3600));
    bench.google.token_answers(tokens);
    bench.google.fcm_answers([Answer::new(401, "")]);
    let line = bench.outcome("T", 1).await;
    assert!(line.contains("push_wake_sent"), "{line}");
    let sends = bench.google.sends(2).await;
    let used: Vec<_> = sends
        .iter()
        .map(|send| &send.headers["authorization"])
        .collect();
    assert_eq!(used, ["Bearer FIRST", "Bearer SECOND"]);

    bench
        .google
        .fcm_answers([Answer::new(401, ""), Answer::new(401, "")]);
    let line = bench.outcome("U", 2).await;
    assert_failed(&line, "relay: fcm send failed: status 401");
    assert_eq!(bench.google.asked(TOKEN).len(), 3);
    assert_eq!(bench.google.asked(SEND).len(), 4);
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed() {
    let bench = Bench::start().await;
    bench.google.token_answers([Answer::token("SHORT", 10)]);
    bench.outcome("T", 1).await;
    bench.outcome("U", 2).await;
    let sends = bench.google.sends(2).await;
    assert_eq!(sends[0].headers["authorization"], "Bearer SHORT");
    assert_eq!(sends[1].headers["authorization"], "Bearer ACCESS");
}

#[tokio::test]
async fn many_wakes_share_one_token_request_and_its_failure() {
    let bench = Bench::start().await;
    bench.google.token_answers([Answer::new(400, "")]);
    for nth in 0..10 {
        bench.ask(&format!("s{nth}"), "T").unwrap();
    }
    let line = bench.logs.wait_for(OUTCOME, 10).await;
    assert_failed(&line, "relay: fcm access-token fetch failed: status 400");
    assert_eq!(bench.google.asked(TOKEN).len(), 1);

    for nth in 10..20 {
        bench.ask(&format!("s{nth}"), "T").unwrap();
    }
    bench.logs.wait_for(OUTCOME, 20).await;
    assert_eq!(bench.google.asked(TOKEN).len(), 2);
    assert_eq!(bench.waker.stats().sent, 10);
}

#[tokio::test]
async fn o58_c48_the_seventh_wake_is_sent_later() {
    let interval = Duration::from_millis(300);
    let bench = Bench::with(|config| config.rate_interval(interval), |_| ()).await;
    for token in 1..=7 {
        bench.ask("s", &token.to_string()).unwrap();
    }
    bench.ask("other", "8").unwrap();
    let last = bench.logs.wait_for(OUTCOME, 8).await;
    let (_, duration) = last.split_once("duration=\"").unwrap();
    let millis: f64 = duration.split_once("ms\"").unwrap().0.parse().unwrap();
    assert!(millis >= 300.0, "the time from the request: {last}");
    let sends = bench.google.sends(8).await;
    assert!(sends[7].body.contains(r#""7""#), "the seventh comes last");
    assert_eq!(bench.waker.stats().sent, 8);
}

#[tokio::test]
async fn o59_c49_a_hung_send_fails_in_time_and_makes_room() {
    let short = Duration::from_secs(1);
    let configure = |config: relay_push::Config| {
        config
            .call_timeout(short)
            .wake_lifetime(Duration::from_secs(5))
            .retry_backoff(Duration::from_secs(10))
    };
    let bench = Bench::with(configure, |_| ()).await;
    bench.outcome("warm", 1).await;
    bench.google.fcm_answers(vec![Answer::Hang; 32]);
    for nth in 0..33 {
        bench.ask(&format!("s{nth}"), "T").unwrap();
    }
    bench.google.sends(1 + 32).await;
    let stats = bench.waker.stats();
    assert_eq!((stats.in_flight, stats.queued), (32, 1));
    bench.logs.wait_for("push_wake_send_failed", 32).await;
    bench.logs.wait_for("push_wake_sent", 2).await;
    for line in bench.logs.lines("push_wake_send_failed") {
        assert_failed(&line, "relay: fcm send failed: timed out");
    }
}

#[tokio::test]
async fn o63_closing_cancels_what_is_in_flight() {
    let bench = Bench::start().await;
    bench.google.fcm_always(Answer::Hang);
    bench.ask("s", "T").unwrap();
    bench.google.sends(1).await;
    bench.waker.close();
    timeout(Duration::from_secs(5), bench.waker.closed())
        .await
        .expect("nothing to wait for");
    let lines = bench.logs.lines(OUTCOME);
    assert_eq!(lines.len(), 1);
    assert_failed(&lines[0], "relay: fcm send failed: the relay is stopping");
    assert_eq!(bench.waker.stats().send_failed, 1);
    assert_eq!(bench.ask("s", "T"), Err(WakeRefused::Off));
}

#[tokio::test]
async fn closing_ends_idle_connections_too() {
    let bench = Bench::start().await;
    bench.outcome("T", 1).await;
    bench.waker.close();
    timeout(Duration::from_secs(5), bench.waker.closed())
        .await
        .expect("a pooled connection does not stay");
}

#[tokio::test]
async fn an_fcm_that_is_not_there_is_told_with_the_systems_reason() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let configure = |config: relay_push::Config| {
        config
            .endpoint(endpoint.parse().unwrap())
            .wake_lifetime(Duration::from_secs(1))
            .retry_backoff(Duration::from_secs(2))
    };
    let bench = Bench::with(configure, |_| ()).await;
    let line = bench.outcome("T", 1).await;
    assert_failed(
        &line,
        "relay: fcm send failed: could not connect: connection refused",
    );
}
