//! What is said to Google, and what is made of each answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::bench::{Bench, DROPPED, settle, wake};
use crate::google::{Answer, Asked, SEND, TOKEN};
use crate::http::get;
use crate::key;
use crate::page::Families;

#[expect(clippy::disallowed_methods, reason = "the assertion holds it")]
fn since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

fn keys(record: &Value) -> Vec<&str> {
    record
        .as_object()
        .unwrap()
        .keys()
        .map(|key| &**key)
        .collect()
}

fn check_token_request(fetch: &Asked, audience: &str, asked_within: [u64; 2]) {
    assert_eq!((fetch.method.as_str(), &*fetch.path), ("POST", "/token"));
    assert_eq!(
        fetch.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    let jwt = fetch.body.strip_prefix(grant).expect("the grant");
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part| -> Value { serde_json::from_slice(&decoded(part)).unwrap() };
    assert_eq!(
        json(header),
        json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"})
    );
    let claims = json(claims);
    let issued = claims["iat"].as_u64().unwrap();
    let [from, to] = asked_within;
    assert!((from..=to).contains(&(issued + 10)), "{claims}");
    assert_eq!(
        claims,
        json!({
            "iss": "relay@example.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": audience,
            "iat": issued,
            "exp": issued + 3600,
        })
    );
    let public = key::rsa_key().public_key().as_ref();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(signed.as_bytes(), &decoded(signature))
        .unwrap();
}

#[tokio::test]
async fn o53_a_wake_is_one_token_request_and_one_send_of_exactly_that_body() {
    let bench = Bench::start().await;
    let off = "push off: PYRYCODE_RELAY_FCM_CREDENTIALS unset";
    assert_eq!(bench.relay.events(&[off]).len(), 0);
    let mut binary = bench.binary("s").await;
    let before = since_epoch();
    wake(&mut binary, "DEVICE").await;
    let sent = bench.relay.wait_for(&["push_wake_sent"], 1).await;
    let after = since_epoch();
    assert_eq!(sent[0]["level"], "INFO");
    assert_eq!(sent[0]["server_id"], "s");
    // printf DEVICE | sha256sum
    assert_eq!(sent[0]["token_fp"], "f92fc83b");
    assert_eq!(sent[0]["fcm_message_id"], "projects/example/messages/1");
    assert!(sent[0]["duration"].as_str().unwrap().ends_with("ms"));
    let mut named = keys(&sent[0]);
    named.sort_unstable();
    let allowed = "duration fcm_message_id level msg server_id time token_fp";
    assert_eq!(named.join(" "), allowed);

    let fetches = bench.google.asked(TOKEN);
    assert_eq!(fetches.len(), 1);
    let audience = format!("{}/token", bench.google.url());
    check_token_request(&fetches[0], &audience, [before, after]);

    let sends = bench.google.asked(SEND);
    assert_eq!(sends.len(), 1);
    let Asked {
        method,
        path,
        headers,
        body,
    } = &sends[0];
    assert_eq!(method, "POST");
    // D15: the project is that of the key.
    assert_eq!(path, "/v1/projects/example-project/messages:send");
    assert_eq!(headers["authorization"], "Bearer ACCESS");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(
        body,
        r#"{"message":{"token":"DEVICE","android":{"priority":"HIGH"}}}"#
    );

    wake(&mut binary, "OTHER").await;
    bench.relay.wait_for(&["push_wake_sent"], 2).await;
    assert_eq!(bench.google.asked(TOKEN).len(), 1, "it is kept");
    assert_eq!(bench.google.asked(SEND).len(), 2);
    assert_eq!(bench.counts().await, [2.0, 0.0, 0.0, 0.0, 0.0]);
    settle(&mut binary).await;
}

/// What there is with push only: type and samples.
const FAMILIES: [(&str, &str, usize); 5] = [
    ("pyrycode_relay_push_coalesced_total", "counter", 1),
    ("pyrycode_relay_push_in_flight", "gauge", 1),
    ("pyrycode_relay_push_queued", "gauge", 1),
    ("pyrycode_relay_push_retries_total", "counter", 1),
    ("pyrycode_relay_push_wakes_total", "counter", 5),
];

#[tokio::test]
async fn o49_with_push_every_family_of_it_is_there_from_the_start_at_zero() {
    let bench = Bench::start().await;
    let page = get(bench.relay.metrics, "/metrics").await.body;
    let Families { types, samples } = Families::of(&page);
    for (name, kind, count) in FAMILIES {
        assert_eq!(types[name], kind, "{name}");
        assert_eq!(samples[name], vec!["0"; count], "{name}");
    }
    let of_push = types.keys().filter(|name| name.contains("push"));
    assert!(
        of_push.eq(FAMILIES.map(|(name, ..)| name).iter()),
        "{types:?}"
    );
}

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";

fn refused(status: &str, kind: &str, code: &str) -> String {
    let detail = json!({"@type": kind, "errorCode": code});
    let error = json!({"status": status, "message": "MARKER", "details": [detail]});
    json!({ "error": error }).to_string()
}

/// The message id, or the text behind the class of the failure.
type Told = Result<Option<&'static str>, &'static str>;

fn accepted() -> Vec<(Answer, Told)> {
    let named = |name: &str| Answer::new(200, json!({ "name": name }).to_string());
    vec![
        (
            named("projects/p/messages/0:1%a_b-c"),
            Ok(Some("projects/p/messages/0:1%a_b-c")),
        ),
        (Answer::new(200, "{}"), Ok(None)),
        (Answer::new(204, ""), Ok(None)),
        (named("MARKER with a space"), Ok(None)),
        (named("MARKER\nnewline"), Ok(None)),
        (named("MARKER\"quote"), Ok(None)),
        (named(&"MARKER".repeat(43)), Ok(None)),
    ]
}

fn turned_down(elsewhere: String) -> Vec<(Answer, Told)> {
    let padded = refused("NOT_FOUND", FCM_ERROR, "UNREGISTERED") + &" ".repeat(4096);
    let answer = |status: u16, body: String| Answer::new(status, body);
    vec![
        (
            answer(
                400,
                refused("INVALID_ARGUMENT", FCM_ERROR, "INVALID_ARGUMENT"),
            ),
            Err("status 400 (INVALID_ARGUMENT, INVALID_ARGUMENT)"),
        ),
        (answer(403, "MARKER".to_owned()), Err("status 403")),
        (
            answer(307, String::new()).header("location", elsewhere),
            Err("status 307"),
        ),
        (
            answer(
                404,
                refused("NOT_FOUND", "type.example/FcmError", "UNREGISTERED"),
            ),
            Err("status 404 (NOT_FOUND)"),
        ),
        (
            answer(404, refused("not_found", FCM_ERROR, "unregistered")),
            Err("status 404"),
        ),
        (answer(404, padded), Err("status 404")),
    ]
}

fn unregistered() -> Vec<(Answer, Told)> {
    let long = "A".repeat(65);
    vec![
        (
            Answer::new(404, refused("NOT_FOUND", FCM_ERROR, "UNREGISTERED")),
            Err("status 404 (NOT_FOUND, UNREGISTERED)"),
        ),
        (
            Answer::new(404, refused(&long, FCM_ERROR, "UNREGISTERED")),
            Err("status 404 (UNREGISTERED)"),
        ),
    ]
}

#[tokio::test]
async fn o54_o55_o56_o57_every_answer_has_its_outcome_one_line_and_its_text() {
    let bench = Bench::start().await;
    bench.google.token_answers([Answer::new(401, "MARKER")]);
    let told = bench.outcome("MARKER-0", 1).await;
    let failed = "relay: fcm access-token fetch failed: status 401";
    assert_eq!(
        (&told["level"], &told["err"]),
        (&json!("WARN"), &json!(failed))
    );
    assert_eq!(bench.google.asked(SEND).len(), 0, "FCM is not asked");

    // Were it followed, it would be one more send.
    let elsewhere = format!("{}/elsewhere/messages:send", bench.google.url());
    let cases = [accepted(), turned_down(elsewhere), unregistered()].concat();
    for (nth, (answer, expected)) in (2..).zip(&cases) {
        bench.google.fcm_answers([answer.clone()]);
        let told = bench.outcome(&format!("MARKER-{nth}"), nth).await;
        match expected {
            Ok(id) => {
                assert_eq!(told["msg"], "push_wake_sent");
                assert_eq!(told.get("fcm_message_id").and_then(Value::as_str), *id);
            }
            Err(text) => {
                assert_eq!(told["level"], "WARN");
                assert_eq!(told["err"], format!("relay: fcm send failed: {text}"));
            }
        }
        assert_eq!(bench.google.asked(SEND).len(), nth - 1, "{told}");
    }
    assert_eq!(bench.counts().await, [7.0, 2.0, 6.0, 1.0, 0.0]);

    // D15: a token called dead is not asked about again.
    let last = cases.len() + 1;
    let mut binary = bench.binary("again").await;
    wake(&mut binary, &format!("MARKER-{last}")).await;
    let dropped = bench.relay.wait_for(&[DROPPED], 1).await;
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0]["err"], "relay: push_wake token is unregistered");
    assert_eq!(bench.counts().await, [7.0, 3.0, 6.0, 1.0, 0.0]);
    assert_eq!(bench.google.asked(SEND).len(), cases.len());
    let page = get(bench.relay.metrics, "/metrics").await.body;
    for text in [bench.relay.lines().join("\n"), page] {
        for secret in ["MARKER", "ACCESS", "example.iam", "PRIVATE"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn o54_a_refused_access_token_is_dropped_once_and_what_passes_is_tried_again() {
    let bench = Bench::start().await;
    let tokens = ["FIRST", "SECOND"].map(|token| Answer::token(token, 3600));
    bench.google.token_answers(tokens);
    let busy = Answer::new(503, "").header("retry-after", "1");
    bench
        .google
        .fcm_answers([Answer::new(401, ""), busy, Answer::HangUp]);
    let told = bench.outcome("T", 1).await;
    assert_eq!(told["msg"], "push_wake_sent");
    let millis = duration(&told);
    assert!(millis >= Duration::from_secs(1), "{told}");
    let sends = bench.google.asked(SEND);
    let used = sends.iter().map(|send| &send.headers["authorization"]);
    let used: Vec<_> = used.collect();
    let second = "Bearer SECOND";
    assert_eq!(used, ["Bearer FIRST", second, second, second]);
    assert_eq!(bench.google.asked(TOKEN).len(), 2);
    assert_eq!(
        bench
            .relay
            .metric("pyrycode_relay_push_retries_total")
            .await,
        2.0
    );
    assert_eq!(bench.counts().await, [1.0, 0.0, 0.0, 0.0, 0.0]);
}

/// How long a wake took, of its record.
pub(super) fn duration(told: &Value) -> Duration {
    let text = told["duration"].as_str().unwrap();
    let millis: f64 = text.strip_suffix("ms").unwrap().parse().unwrap();
    Duration::from_secs_f64(millis / 1000.0)
}
