//! The metrics page on a live relay: what it says, where, and what moves it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::Relay;
use crate::http::{get, send};
use crate::page::Families;
use crate::peers::{binary, close_code, phone};

fn attempts(endpoint: &str, outcome: &str) -> String {
    format!(
        "pyrycode_relay_ws_upgrade_attempts_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}"
    )
}

fn failures(kind: &str) -> String {
    format!("pyrycode_relay_register_failures_total{{kind=\"{kind}\"}}")
}

fn closes(leg: &str, code: &str, by: &str) -> String {
    format!("pyrycode_relay_closes_total{{leg=\"{leg}\",code=\"{code}\",by=\"{by}\"}}")
}

#[tokio::test]
async fn o49_the_page_is_on_its_own_listener_and_nowhere_else() {
    let relay = Relay::start(&[]).await;
    let page = get(relay.metrics, "/metrics").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        page.body
            .contains("pyrycode_relay_build_info{version=\"dev\"} 1\n")
    );
    assert_eq!(get(relay.addr, "/metrics").await.status, 404);
    for path in ["/", "/healthz", "/metrics/", "/v1/server"] {
        assert_eq!(get(relay.metrics, path).await.status, 404, "{path}");
    }
}

/// Families of the service this relay replaces, then those it has more, without push and TLS: type and samples.
const FAMILIES: &[(&str, &str, usize)] = &[
    ("pyrycode_relay_connected_binaries", "gauge", 1),
    ("pyrycode_relay_connected_phones", "gauge", 1),
    ("pyrycode_relay_frames_forwarded_total", "counter", 2),
    ("pyrycode_relay_grace_expiries_total", "counter", 1),
    ("pyrycode_relay_ws_upgrade_attempts_total", "counter", 14),
    ("pyrycode_relay_register_failures_total", "counter", 4),
    ("promhttp_metric_handler_errors_total", "counter", 2),
    ("pyrycode_relay_accept_errors_total", "counter", 1),
    ("pyrycode_relay_backlog_evictions_total", "counter", 1),
    ("pyrycode_relay_closes_total", "counter", 90),
    ("pyrycode_relay_conflict_probes_total", "counter", 1),
    ("pyrycode_relay_connections", "gauge", 1),
    ("pyrycode_relay_drain_frames_total", "counter", 2),
    ("pyrycode_relay_drain_legs_total", "counter", 2),
    ("pyrycode_relay_draining", "gauge", 1),
    ("pyrycode_relay_frames_dropped_total", "counter", 2),
    ("pyrycode_relay_handshake_failures_total", "counter", 2),
    ("pyrycode_relay_panics_total", "counter", 1),
    ("pyrycode_relay_queue_bytes", "gauge", 1),
    ("pyrycode_relay_takeovers_total", "counter", 1),
];

/// Families that need not be 0 when nothing has happened.
const FACTS: &[(&str, &str, usize)] = &[
    ("process_cpu_seconds_total", "counter", 1),
    ("process_max_fds", "gauge", 1),
    ("process_open_fds", "gauge", 1),
    ("process_resident_memory_bytes", "gauge", 1),
    ("process_start_time_seconds", "gauge", 1),
    ("pyrycode_relay_build_info", "gauge", 1),
    ("pyrycode_relay_connections_limit", "gauge", 1),
    ("pyrycode_relay_queue_limit_bytes", "gauge", 1),
    ("pyrycode_relay_uptime_seconds", "gauge", 1),
];

#[tokio::test]
async fn o49_a_fresh_relay_has_every_family_with_its_type_and_at_zero() {
    let relay = Relay::start(&[]).await;
    let Families { types, samples } = Families::of(&get(relay.metrics, "/metrics").await.body);
    let expected = FAMILIES.iter().chain(FACTS);
    let expected: BTreeMap<_, _> = expected
        .map(|(name, kind, _)| ((*name).to_owned(), (*kind).to_owned()))
        .collect();
    assert_eq!(types, expected);
    for (name, _, count) in FAMILIES {
        assert_eq!(samples[*name], vec!["0"; *count], "{name}");
    }
    for (name, _, count) in FACTS {
        assert_eq!(samples[*name].len(), *count, "{name}");
    }
}

#[tokio::test]
async fn o50_each_refusal_moves_its_own_cells() {
    let relay = Relay::start(&["--rate-limit-burst=22", "--rate-limit-per-minute=1"]).await;
    let addr = relay.addr;
    let mut holder = binary(addr, "s").await;
    relay
        .metric_becomes(&attempts("server", "accept"), 1.0)
        .await;
    // Sixteen phones fit.
    let mut phones = Vec::new();
    for _ in 0..16 {
        phones.push(phone(addr, "s").await);
    }
    relay
        .metric_becomes(&attempts("client", "accept"), 16.0)
        .await;
    let one_too_many = phone(addr, "s").await;
    assert_eq!(close_code(one_too_many).await, 4429);
    let stranger = phone(addr, "nobody").await;
    assert_eq!(close_code(stranger).await, 4404);
    // The holder has to be heard in the probe.
    let rival = binary(addr, "s").await;
    let probed = async {
        relay
            .metric_becomes("pyrycode_relay_conflict_probes_total", 1.0)
            .await;
        holder.send(Message::Ping("x".into())).await.unwrap();
    };
    let (code, ()) = tokio::join!(close_code(rival), probed);
    assert_eq!(code, 4409);
    for path in ["/v1/server", "/v1/client"] {
        assert_eq!(send(addr, "GET", path, &[]).await.status, 400);
    }
    for path in ["/v1/server", "/v1/client"] {
        assert_eq!(send(addr, "GET", path, &[]).await.status, 429);
    }
    let expected = [
        (attempts("server", "accept"), 1.0),
        (attempts("client", "accept"), 16.0),
        (attempts("server", "reject_409"), 1.0),
        (attempts("server", "reject_headers"), 1.0),
        (attempts("server", "reject_rate_limit"), 1.0),
        (attempts("client", "reject_404"), 1.0),
        (attempts("client", "reject_429"), 1.0),
        (attempts("client", "reject_headers"), 1.0),
        (attempts("client", "reject_rate_limit"), 1.0),
        (failures("no_server"), 1.0),
        (failures("server_in_use"), 1.0),
        (failures("phones_at_cap"), 1.0),
        (failures("ratelimit"), 2.0),
        (closes("binary", "4409", "relay"), 1.0),
        (closes("phone", "4404", "relay"), 1.0),
        (closes("phone", "4429", "relay"), 1.0),
    ];
    for (series, value) in &expected {
        relay.metric_becomes(series, *value).await;
    }
    let impossible = [
        attempts("server", "reject_404"),
        attempts("server", "reject_429"),
        attempts("client", "reject_409"),
        attempts("server", "reject_cap"),
        attempts("client", "reject_cap"),
    ];
    // All has happened by now: no cell may have gone on from where it was waited for.
    let page = get(relay.metrics, "/metrics").await.body;
    let impossible = impossible.map(|series| (series, 0.0));
    for (series, value) in expected.into_iter().chain(impossible) {
        let sample = format!("\n{series} {value}\n");
        assert!(page.contains(&sample), "{sample}{page}");
    }
}

#[tokio::test]
async fn o51_frames_count_when_they_are_written() {
    let relay = Relay::start(&[]).await;
    let mut binary = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let mut phone = phone(relay.addr, "s").await;
    for index in 0..5 {
        phone.send(format!("{index}").into()).await.unwrap();
    }
    let mut conn_id = String::new();
    for _ in 0..5 {
        let text = binary.next().await.unwrap().unwrap().into_text().unwrap();
        let envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
        conn_id = envelope["conn_id"].as_str().unwrap().to_owned();
    }
    for envelope in [
        r#"{"conn_id":"client-0","frame":1}"#.to_owned(),
        "{".to_owned(),
        format!(r#"{{"conn_id":"{conn_id}","frame":1}}"#),
        format!(r#"{{"conn_id":"{conn_id}","frame":2}}"#),
        format!(r#"{{"conn_id":"{conn_id}","close_code":4401}}"#),
    ] {
        binary.send(envelope.into()).await.unwrap();
    }
    assert_eq!(close_code(phone).await, 4401);
    let mut garbler = self::phone(relay.addr, "s").await;
    garbler.send("{".into()).await.unwrap();
    assert_eq!(close_code(garbler).await, 1000);
    let forwarded = "pyrycode_relay_frames_forwarded_total";
    for (series, value) in [
        (format!("{forwarded}{{direction=\"phone_to_binary\"}}"), 5.0),
        (format!("{forwarded}{{direction=\"binary_to_phone\"}}"), 2.0),
        (closes("phone", "4401", "binary"), 1.0),
    ] {
        relay.metric_becomes(&series, value).await;
    }
    binary.close(None).await.unwrap();
    relay
        .metric_becomes(&closes("binary", "1005", "peer"), 1.0)
        .await;
}

#[tokio::test]
async fn o48_a_binary_in_grace_is_not_connected_and_its_phones_are() {
    let relay = Relay::start(&[]).await;
    let lost = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let _phone = phone(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_phones", 1.0)
        .await;
    drop(lost);
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 0.0)
        .await;
    assert_eq!(relay.metric("pyrycode_relay_connected_phones").await, 1.0);
    let health = get(relay.addr, "/healthz").await.body;
    assert!(health.contains(r#""connected_binaries":0,"connected_phones":1"#));
    let _back = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    relay
        .metric_becomes(&closes("binary", "1006", "peer"), 1.0)
        .await;
}

#[tokio::test]
async fn o47_health_does_not_depend_on_the_method() {
    let relay = Relay::start(&[]).await;
    let health = async |method| {
        let answer = send(relay.addr, method, "/healthz", &[("X-Any", "1")]).await;
        let head: Vec<_> = answer
            .head
            .lines()
            .filter(|line| !line.starts_with("date: "))
            .map(str::to_owned)
            .collect();
        (head, answer.body)
    };
    let (head, body) = health("GET").await;
    for line in [
        "HTTP/1.1 200 OK",
        "content-type: application/json; charset=utf-8",
        "cache-control: no-store",
    ] {
        assert!(head.iter().any(|found| found == line), "{line}: {head:?}");
    }
    let before = r#"{"status":"ok","version":"dev","connected_binaries":0,"connected_phones":0,"uptime_seconds":"#;
    let uptime = |body: &str| -> u64 {
        let uptime = body.strip_prefix(before).unwrap().strip_suffix('}');
        uptime.unwrap().parse().unwrap()
    };
    let first = uptime(&body);
    assert_eq!(health("HEAD").await, (head.clone(), String::new()));
    let (posted, body) = health("POST").await;
    assert_eq!(posted, head);
    assert!(body.len() < 200);
    let mut last = uptime(&body);
    assert!(last >= first);
    let grown = async {
        while last == first {
            last = uptime(&health("GET").await.1);
        }
    };
    let grown = tokio::time::timeout(Duration::from_secs(9), grown).await;
    grown.expect("it grows");
    assert!(last > first);
}

#[tokio::test]
async fn o52_no_label_holds_what_a_peer_said() {
    let relay = Relay::start(&[]).await;
    let _binary = binary(relay.addr, "MARKER").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let refused = phone(relay.addr, "MARKER-2").await;
    assert_eq!(close_code(refused).await, 4404);
    let page = get(relay.metrics, "/metrics").await.body;
    for marker in ["MARKER", "forged", "127.0.0.1"] {
        assert!(!page.contains(marker), "{marker}");
    }
}
