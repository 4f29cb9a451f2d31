//! The executable at its most talkative, with a marker in every place that holds a secret: nothing it writes, serves,
//! answers or closes with may contain one.

use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::executable::{Executable, run};
use crate::google::{Answer, Google};
use crate::http::{get, send};
use crate::key;
use crate::page;
use crate::peers::{Peer, close_frame_of, connect_with};

const MARKER: &str = "PLANTED";
const FORMATS: [&str; 2] = ["--log-format=logfmt", "--log-format=json"];

/// A key with a marker wherever one can be written into it.
fn credentials(token_uri: &str) -> Value {
    let mut file = key::key_file();
    file["client_email"] = json!(format!("{MARKER}@example.com"));
    file["private_key_id"] = json!(format!("{MARKER}-key-id"));
    file["client_id"] = json!(MARKER);
    file["token_uri"] = json!(token_uri);
    file
}

/// What is looked for: the marker, and a piece out of the middle of each line of the private key.
fn secrets() -> Vec<String> {
    let pem = key::key_file()["private_key"].as_str().unwrap().to_owned();
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    let pieces = lines.map(|line| line[..line.len().min(24)].to_owned());
    let words = [MARKER, "Bearer", "PRIVATE KEY", "assertion="].map(str::to_owned);
    pieces.chain(words).collect()
}

#[track_caller]
fn assert_clean(what: &str, text: &str) {
    for secret in secrets() {
        let told = text.lines().find(|line| line.contains(&secret));
        assert_eq!(told, None, "{what}");
    }
}

async fn connect(relay: &Executable, path: &str, server_id: &str) -> Peer {
    let secret = format!("{MARKER}-token");
    let agent = format!("{MARKER}-agent");
    connect_with(relay.addr, path, server_id, &secret, &agent).await
}

async fn close_reason(peer: Peer) -> String {
    close_frame_of(peer).await.reason.to_string()
}

/// What both of Google's endpoints make of wakes: each way there is, with a marker in all that an answer can hold.
fn hostile_answers(google: &Google) {
    let token = || Answer::token(&format!("{MARKER}-access"), 3600);
    let hostile = |status| {
        let detail = json!({"@type": MARKER, "errorCode": format!("{MARKER}!")});
        let error =
            json!({"status": format!("{MARKER}-x"), "message": MARKER, "details": [detail]});
        let body = json!({"name": format!("{MARKER} id"), "error": error});
        Answer::new(status, body.to_string())
            .header("x-planted", MARKER)
            .header("location", format!("http://127.0.0.1:1/{MARKER}"))
    };
    google.token_answers([hostile(401), hostile(200), token()]);
    google.fcm_answers([200, 307, 400, 404].map(hostile));
    google.fcm_always(Answer::new(404, MARKER));
}

/// What Google is to be asked, and what is refused before.
async fn provoke_wakes(relay: &Executable, binary: &mut Peer) {
    let outcomes = ["sent", "send_failed", "token_fetch_failed"];
    for nth in 1..=6 {
        // One at a time, so that each meets the answer that is meant for it.
        let token = format!("{MARKER}-push-{nth}");
        let wake = json!({"push_wake": {"platform": "fcm", "token": token}});
        binary.send(wake.to_string().into()).await.unwrap();
        let ended = async || {
            let mut sum = 0.0;
            for outcome in outcomes {
                let series = format!("pyrycode_relay_push_wakes_total{{outcome=\"{outcome}\"}}");
                sum += page::sample(relay.metrics, &series).await;
            }
            sum
        };
        while ended().await < f64::from(nth) {
            tokio::task::yield_now().await;
        }
    }
    for request in [
        json!({"platform": format!("{MARKER}-platform"), "token": MARKER}),
        json!({"platform": "fcm", "token": [MARKER]}),
        json!(format!("{MARKER}-push")),
    ] {
        let wake = json!({ "push_wake": request });
        binary.send(wake.to_string().into()).await.unwrap();
    }
}

/// Traffic of every kind, and a stop; the metrics page before that, and the reasons that peers were closed with.
async fn provoke(relay: &Executable) -> (String, Vec<String>) {
    let mut binary = connect(relay, "/v1/server", "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let rival = connect(relay, "/v1/server", "s").await;
    let mut reasons = Vec::new();
    let probed = async {
        let probes = "pyrycode_relay_conflict_probes_total";
        relay.metric_becomes(probes, 1.0).await;
        binary.send(Message::Ping(MARKER.into())).await.unwrap();
        // Its own, and the probe's.
        while !matches!(binary.next().await, Some(Ok(Message::Pong(_)))) {}
    };
    let (reason, ()) = tokio::join!(close_reason(rival), probed);
    reasons.push(reason);

    let mut phone = connect(relay, "/v1/client", "s").await;
    let payload = format!(r#""{MARKER}-payload""#);
    phone.send(payload.clone().into()).await.unwrap();
    let routed = binary.next().await.unwrap().unwrap().into_text().unwrap();
    let envelope: Value = serde_json::from_str(&routed).unwrap();
    let conn_id = envelope["conn_id"].as_str().unwrap();
    let mut bad = connect(relay, "/v1/client", "s").await;
    bad.send(format!("{MARKER}-garbage").into()).await.unwrap();
    let lost = connect(relay, "/v1/client", "nobody").await;
    let mut leaving = connect(relay, "/v1/client", "s").await;
    let last_words = CloseFrame {
        code: 4999.into(),
        reason: MARKER.into(),
    };
    leaving.close(Some(last_words)).await.unwrap();
    reasons.push(close_reason(bad).await);
    reasons.push(close_reason(lost).await);
    for envelope in [
        format!(r#"{{"{MARKER}-envelope":1}}"#),
        MARKER.to_owned(),
        format!(r#"{{"conn_id":"nobody","frame":{payload}}}"#),
        format!(r#"{{"conn_id":"{conn_id}","frame":{payload},"close_code":4401}}"#),
    ] {
        binary.send(envelope.into()).await.unwrap();
    }
    reasons.push(close_reason(phone).await);
    provoke_wakes(relay, &mut binary).await;
    let page = get(relay.metrics, "/metrics").await.body;
    relay.signal(Signal::TERM);
    reasons.push(close_reason(binary).await);
    (page, reasons)
}

async fn check(log_format: &str) {
    let google = Google::start().await;
    hostile_answers(&google);
    let credentials = credentials(&format!("{}/token?{MARKER}", google.url()));
    let environment = [
        ("RUST_LOG", "trace"),
        ("PYRYCODE_RELAY_FCM_CREDENTIALS", &credentials.to_string()),
        ("PYRYCODE_RELAY_FCM_ENDPOINT", &google.url()),
    ];
    let relay = Executable::start(&environment, &[log_format]).await;
    let planted = [
        ("x-pyrycode-token", MARKER),
        ("user-agent", MARKER),
        ("authorization", MARKER),
    ];
    let answer = send(relay.addr, "GET", "/v1/client", &planted).await;
    assert_eq!(answer.status, 400);
    assert_clean("a 400", &format!("{}{}", answer.head, answer.body));
    let (page, reasons) = Box::pin(provoke(&relay)).await;
    let ended = relay.exit().await;
    assert_eq!(ended.code, Some(0));

    let log = ended.log.join("\n");
    for provoked in [
        "TRACE",
        "push_wake_sent",
        "push_wake_send_failed",
        "relay: fcm access-token fetch failed: status 401",
        "status 307",
        "binary_forwarder_push_wake_dropped",
        "binary_forwarder_unmarshal_err",
        "phone_forwarder_marshal_err",
        "server_id_conflict",
        "shutdown complete",
    ] {
        assert!(log.contains(provoked), "{provoked}, {log_format}");
    }
    assert_clean(log_format, &log);
    assert_clean("the page", &page);
    let told = [
        "server-id already claimed",
        "",
        "no server with that id",
        "",
        "shutting down",
    ];
    assert_eq!(reasons, told);
}

#[tokio::test]
async fn nothing_secret_is_told_at_any_level_in_any_format() {
    for log_format in FORMATS {
        Box::pin(check(log_format)).await;
    }
}

#[tokio::test]
async fn nothing_secret_is_in_what_is_answered_for_want_of_room() {
    let flags = [
        "--max-connections=1",
        "--rate-limit-burst=3",
        "--rate-limit-per-minute=1",
    ];
    let environment = [("RUST_LOG", "trace")];
    let relay = Executable::start(&environment, &flags).await;
    let binary = connect(&relay, "/v1/server", "s").await;
    let planted = [
        ("x-pyrycode-server", "s"),
        ("x-pyrycode-token", MARKER),
        ("user-agent", MARKER),
        ("cookie", MARKER),
    ];
    for status in [503, 503, 429] {
        let answer = send(relay.addr, "GET", "/v1/client", &planted).await;
        assert_eq!(answer.status, status);
        assert_clean("an answer", &format!("{}{}", answer.head, answer.body));
    }
    let page = get(relay.metrics, "/metrics").await.body;
    assert_clean("the page", &page);
    for provoked in ["rate_limited", "conn_cap_reached"] {
        relay.logged_times(1, &[provoked]).await;
    }
    drop(binary);
    let log = relay.stop().await.join("\n");
    assert_clean("the log", &log);
}

#[tokio::test]
async fn o14_nothing_of_a_refused_key_is_told() {
    let whole = || credentials("https://oauth2.googleapis.com/token");
    let changed = |name: &str, value: &str| {
        let mut file = whole();
        file[name] = json!(value);
        file.to_string()
    };
    let text = whole().to_string();
    let broken = [
        MARKER.to_owned(),
        format!("{{\"{MARKER}\":1}}"),
        text[..text.len() - 1].to_owned(),
        changed("type", MARKER),
        changed("private_key", MARKER),
        changed("token_uri", MARKER),
    ];
    for (nth, key) in broken.iter().enumerate() {
        let args = ["--insecure-listen=127.0.0.1:1", FORMATS[nth % 2]].map(str::to_owned);
        let environment = [
            ("RUST_LOG", "trace"),
            ("PYRYCODE_RELAY_FCM_CREDENTIALS", key.as_str()),
            ("PYRYCODE_RELAY_FCM_ENDPOINT", "http://u:PLANTED@127.0.0.1"),
        ];
        let output = run(&environment, &args).await;
        assert_eq!(output.status.code(), Some(2), "{nth}");
        assert!(output.stdout.is_empty());
        let log = String::from_utf8(output.stderr).unwrap();
        for told in ["configuration refused", "PYRYCODE_RELAY_FCM_CREDENTIALS"] {
            assert!(log.contains(told), "{log}");
        }
        assert_clean("a refusal", &log);
    }
}
