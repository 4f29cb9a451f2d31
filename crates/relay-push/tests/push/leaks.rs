//! Secrets are planted wherever there are any, every way a wake can end is taken, and nothing of them comes out.

use std::time::Duration;

use relay_core::{ServerId, WakeSink};
use relay_push::{Config, Credentials, Endpoint};
use serde_json::json;

use crate::bench::{Bench, OUTCOME};
use crate::google::Answer;
use crate::testing;

/// In the e-mail, the key's id, the access token, device tokens, and in whatever a reply can hold.
const MARKER: &str = "MARKER";

/// Pieces of the private key, in the alphabet it is written in.
fn key_pieces() -> Vec<String> {
    let pem = testing::pem("PRIVATE KEY", &testing::rsa_der());
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    lines
        .map(|line| line[..line.len().min(24)].to_owned())
        .collect()
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in [MARKER, "Bearer", "PRIVATE KEY", "assertion="] {
        assert!(!text.contains(secret), "{secret} in {what}:\n{text}");
    }
    for piece in key_pieces() {
        assert!(!text.contains(&piece), "a piece of the key in {what}");
    }
}

fn hostile(status: u16) -> Answer {
    let body = json!({
        "name": "MARKER with a space",
        "error": {
            "message": "MARKER",
            "status": "marker MARKER",
            "details": [{"@type": "MARKER", "errorCode": "MARKER!"}, "MARKER"],
        },
        "MARKER": "MARKER",
    });
    Answer::new(status, body.to_string())
        .header("x-marker", MARKER)
        .header("retry-after", MARKER)
        .header("location", "http://127.0.0.1:1/MARKER")
}

#[tokio::test]
async fn o54_nothing_secret_is_logged_however_a_wake_ends() {
    let configure = |config: Config| {
        config
            .call_timeout(Duration::from_millis(500))
            .wake_lifetime(Duration::from_secs(1))
            // No retry: every way to fail is the end of its wake.
            .retry_backoff(Duration::from_secs(2))
    };
    let bench = Bench::with(configure, |key| {
        key["client_email"] = json!("MARKER@example.com");
        key["private_key_id"] = json!(MARKER);
        let uri = key["token_uri"].as_str().unwrap().to_owned();
        key["token_uri"] = json!(format!("{uri}?MARKER"));
        key["universe_domain"] = json!(MARKER);
    })
    .await;
    // Good for one wake only.
    let token = || Answer::token(MARKER, 10);
    bench.google.token_always(token());
    let mut nth = 0;
    for (fetch, send) in [
        (token(), hostile(200)),
        (token(), hostile(307)),
        (token(), hostile(400)),
        (token(), hostile(401)),
        (token(), hostile(404)),
        (token(), hostile(503)),
        (token(), Answer::Hang),
        (token(), Answer::HangUp),
        (hostile(200), hostile(200)),
        (hostile(401), hostile(200)),
        (hostile(503), hostile(200)),
        (
            Answer::new(200, "{\"access_token\":\"MARKER\\n\"}"),
            hostile(200),
        ),
        (Answer::new(200, MARKER), hostile(200)),
        (Answer::Hang, hostile(200)),
        (Answer::HangUp, hostile(200)),
    ] {
        bench.google.token_answers([fetch]);
        bench.google.fcm_always(send);
        nth += 1;
        let line = bench.outcome(&format!("{MARKER}-{nth}"), nth).await;
        assert!(line.contains("token_fp="), "{line}");
    }
    bench.ask("s", "MARKER").unwrap();
    bench.waker.close();
    bench.waker.closed().await;
    assert_eq!(bench.logs.lines(OUTCOME).len(), nth + 1);
    let told = bench.logs.lines("push_wake_send_failed");
    assert_eq!(told.len(), 15, "all but the 200 from both: {told:#?}");
    // Every line but the server-id, which is the token in these tests only.
    let text = bench.logs.text();
    assert_clean(
        "the log",
        &text.replace("server_id=\"MARKER", "server_id=\""),
    );
    assert_clean("Debug", &format!("{:?}", bench.waker));
}

#[tokio::test]
async fn o60_nothing_secret_is_in_refusals() {
    let bench = Bench::with(|config| config.max_queued(0), |_| ()).await;
    let id = ServerId::new(b"s".as_slice());
    for raw in [
        r#""MARKER""#,
        r#"{"MARKER":1"#,
        r#"{"platform":"MARKER","token":"MARKER"}"#,
        r#"{"platform":"fcm","token":["MARKER"]}"#,
        r#"{"platform":"fcm","token":"MARKER"}"#,
    ] {
        let refused = bench.waker.wake(&id, raw.as_bytes()).unwrap_err();
        assert_clean("a refusal", &format!("{refused} {refused:?}"));
    }
    assert_clean("the log", &bench.logs.text());
}

#[test]
fn o14_nothing_secret_is_in_configuration_errors_and_debug() {
    let file = testing::key_file();
    let credentials: Credentials = file.to_string().parse().unwrap();
    assert_clean("Debug", &format!("{credentials:?} {credentials:#?}"));
    let mut broken = file;
    broken["type"] = json!(MARKER);
    let error = broken.to_string().parse::<Credentials>().unwrap_err();
    assert_clean("an error", &format!("{error} {error:?}"));
    let error = "http://MARKER@host".parse::<Endpoint>().unwrap_err();
    assert_clean("an error", &format!("{error} {error:?}"));
}
