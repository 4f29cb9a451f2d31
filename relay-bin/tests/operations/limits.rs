//! Who is let in: the rate, the caps, and whose word is taken for where a request comes from.

use std::net::SocketAddr;
use std::time::Duration;

use relay_bin::exit::Exit;
use tokio::time::{interval, timeout};

use crate::harness::{PATIENCE, Relay};
use crate::http::{self, Answer, send};
use crate::peers::{Peer, binary, close_code, phone, phone_from};

const RATE_LIMITED: [&str; 2] = [
    "pyrycode_relay_ws_upgrade_attempts_total{endpoint=\"server\",outcome=\"reject_rate_limit\"}",
    "pyrycode_relay_ws_upgrade_attempts_total{endpoint=\"client\",outcome=\"reject_rate_limit\"}",
];

/// A request without the required headers: 400 when it is let in, at the price of a token.
async fn knock(addr: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(addr, "GET", path, headers).await
}

/// The shape that 400, 429 and 503 share.
fn assert_turned_away(answer: &Answer, status: u16) {
    assert_eq!((answer.status, answer.body.as_str()), (status, "\n"));
    for (name, value) in [
        ("content-type", "text/plain; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("content-length", "1"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

async fn statuses(addr: SocketAddr, headers: &[(&str, &str)], count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(knock(addr, "/v1/server", headers).await.status);
    }
    statuses
}

#[tokio::test]
async fn o35_o41_the_burst_is_twenty_on_both_paths_together() {
    let relay = Relay::start(&["--rate-limit-per-minute=1"]).await;
    for index in 0..20 {
        let path = ["/v1/server", "/v1/client"][index % 2];
        assert_turned_away(&knock(relay.addr, path, &[]).await, 400);
    }
    let answer = knock(relay.addr, "/v1/client", &[]).await;
    assert_turned_away(&answer, 429);
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after), "{retry_after}");
    for _ in 0..100 {
        assert_eq!(http::get(relay.addr, "/healthz").await.status, 200);
    }
    relay.metric_becomes(RATE_LIMITED[1], 1.0).await;
    assert_eq!(relay.metric(RATE_LIMITED[0]).await, 0.0);
}

#[tokio::test]
async fn o36_one_more_is_let_in_when_it_was_told_to_return() {
    let relay = Relay::start(&["--rate-limit-burst=2", "--rate-limit-per-minute=20"]).await;
    assert_eq!(statuses(relay.addr, &[], 2).await, [400; 2]);
    let answer = knock(relay.addr, "/v1/server", &[]).await;
    assert_turned_away(&answer, 429);
    // Of the 3 s that a token takes, one may have gone by on the way.
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((2..=3).contains(&retry_after), "{retry_after}");
    let mut knocks = interval(Duration::from_millis(100));
    let let_in = async {
        let mut told = Vec::new();
        while told.last() != Some(&400) {
            knocks.tick().await;
            told.extend(statuses(relay.addr, &[], 1).await);
        }
        told
    };
    let told = timeout(PATIENCE, let_in).await.expect("it may return");
    assert!(told.len() > 1, "not at once: {told:?}");
    assert_eq!(statuses(relay.addr, &[], 1).await, [429]);
}

#[tokio::test]
async fn a_rate_of_0_is_no_limit() {
    let relay = Relay::start(&["--rate-limit-per-minute=0"]).await;
    assert_eq!(statuses(relay.addr, &[], 50).await, [400; 50]);
}

#[tokio::test]
async fn o39_forwarded_addresses_count_only_where_they_are_believed() {
    let strict = ["--rate-limit-burst=2", "--rate-limit-per-minute=1"];
    let with = |flag| [&strict[..], &[flag]].concat();
    let from = |client| [("X-Forwarded-For", client)];

    let relay = Relay::start(&strict).await;
    statuses(relay.addr, &from("9.9.9.9"), 2).await;
    assert_eq!(statuses(relay.addr, &from("8.8.8.8"), 1).await, [429]);

    let relay = Relay::start(&with("--trust-x-forwarded-for")).await;
    for client in ["9.9.9.9, 1.1.1.1", "8.8.8.8, 1.1.1.1", " , 1.1.1.1", "me"] {
        let found = statuses(relay.addr, &from(client), 3).await;
        assert_eq!(found, [400, 400, 429], "{client}");
    }
    // Whoever stands behind the first entry, and a blank one means the peer.
    let again = ["9.9.9.9, 2.2.2.2", "8.8.8.8", "me, 2.2.2.2", " "];
    for client in again {
        assert_eq!(
            statuses(relay.addr, &from(client), 1).await,
            [429],
            "{client}"
        );
    }
    assert_eq!(statuses(relay.addr, &[], 1).await, [429]);

    let relay = Relay::start(&with("--trusted-proxy=127.0.0.0/8")).await;
    for client in ["6.6.6.6, 9.9.9.9", "6.6.6.6, 8.8.8.8, 127.0.0.9"] {
        let found = statuses(relay.addr, &from(client), 3).await;
        assert_eq!(found, [400, 400, 429], "{client}");
    }
    let relay = Relay::start(&with("--trusted-proxy=10.0.0.0/8")).await;
    statuses(relay.addr, &from("9.9.9.9"), 2).await;
    assert_eq!(statuses(relay.addr, &from("8.8.8.8"), 1).await, [429]);
}

#[tokio::test]
async fn o40_one_64_shares_a_bucket() {
    let flags = [
        "--trusted-proxy=127.0.0.1",
        "--rate-limit-burst=2",
        "--rate-limit-per-minute=1",
    ];
    let relay = Relay::start(&flags).await;
    let mut found = Vec::new();
    for client in [
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::3",
        "2001:db8:0:1::3",
    ] {
        found.extend(statuses(relay.addr, &[("X-Forwarded-For", client)], 1).await);
    }
    assert_eq!(found, [400, 400, 429, 400]);
}

async fn pair(relay: &Relay) -> (Peer, Peer) {
    let binary = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let phone = phone(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_phones", 1.0)
        .await;
    (binary, phone)
}

#[tokio::test]
async fn o42_o45_over_the_cap_is_503_before_anything_else() {
    let flags = [
        "--max-connections=2",
        "--rate-limit-burst=5",
        "--rate-limit-per-minute=1",
    ];
    let relay = Relay::start(&flags).await;
    let (_binary, mut leaving) = pair(&relay).await;
    for path in ["/v1/server", "/v1/client"] {
        let answer = knock(relay.addr, path, &[]).await;
        assert_turned_away(&answer, 503);
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    assert_eq!(http::get(relay.addr, "/healthz").await.status, 200);
    assert_eq!(relay.metric("pyrycode_relay_connections").await, 2.0);
    for endpoint in ["server", "client"] {
        let cell = |outcome| {
            format!(
                "pyrycode_relay_ws_upgrade_attempts_total{{endpoint=\"{endpoint}\",outcome=\"{outcome}\"}}"
            )
        };
        relay.metric_becomes(&cell("reject_cap"), 1.0).await;
        // The pair's own; nothing else has moved.
        assert_eq!(relay.metric(&cell("accept")).await, 1.0, "{endpoint}");
        for outcome in [
            "reject_headers",
            "reject_404",
            "reject_409",
            "reject_429",
            "reject_rate_limit",
        ] {
            let cell = cell(outcome);
            assert_eq!(relay.metric(&cell).await, 0.0, "{cell}");
        }
    }
    for kind in ["no_server", "server_in_use", "phones_at_cap", "ratelimit"] {
        let cell = format!("pyrycode_relay_register_failures_total{{kind=\"{kind}\"}}");
        assert_eq!(relay.metric(&cell).await, 0.0, "{cell}");
    }
    leaving.close(None).await.unwrap();
    drop(leaving);
    relay
        .metric_becomes("pyrycode_relay_connections", 1.0)
        .await;
    // The fifth token; a 503 has cost one like everything else.
    phone(relay.addr, "s").await;
    assert_eq!(knock(relay.addr, "/v1/client", &[]).await.status, 429);
}

#[tokio::test]
async fn the_rate_comes_before_the_cap_and_the_cap_before_the_headers() {
    let flags = [
        "--max-connections=1",
        "--rate-limit-burst=2",
        "--rate-limit-per-minute=1",
    ];
    let relay = Relay::start(&flags).await;
    let mut holder = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    // Neither request has a header: the second is over the cap and over the rate.
    assert_eq!(statuses(relay.addr, &[], 2).await, [503, 429]);
    holder.close(None).await.unwrap();
    drop(holder);
    relay
        .metric_becomes("pyrycode_relay_connections", 0.0)
        .await;
    // Neither is a WebSocket handshake: the second has the headers that are required.
    let other = [127, 0, 0, 2];
    let bare = http::send_from(other, relay.addr, "/v1/server", &[]).await;
    assert_turned_away(&bare, 400);
    let headers = [
        ("x-pyrycode-server", "s"),
        ("x-pyrycode-version", "1"),
        ("user-agent", "test"),
    ];
    let named = http::send_from(other, relay.addr, "/v1/server", &headers).await;
    assert_eq!(named.status, 426);
}

#[tokio::test]
async fn a_daemon_comes_home_although_its_phones_hold_every_slot_they_can() {
    let relay = Relay::start(&["--max-connections=10", "--rate-limit-per-minute=0"]).await;
    let lost = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    let mut phones = Vec::new();
    for _ in 0..9 {
        phones.push(phone(relay.addr, "s").await);
    }
    relay
        .metric_becomes("pyrycode_relay_connected_phones", 9.0)
        .await;
    drop(lost);
    relay
        .metric_becomes("pyrycode_relay_connections", 9.0)
        .await;
    let one_too_many = phone_from(relay.addr, [127, 0, 0, 1]).await;
    assert_eq!(one_too_many.err(), Some(503));
    let _back = binary(relay.addr, "s").await;
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
}

#[tokio::test]
async fn o43_refused_phones_give_their_slot_back() {
    let relay = Relay::start(&["--max-connections=1", "--rate-limit-per-minute=0"]).await;
    for _ in 0..20 {
        let refused = phone(relay.addr, "nobody").await;
        assert_eq!(close_code(refused).await, 4404);
        relay
            .metric_becomes("pyrycode_relay_connections", 0.0)
            .await;
    }
}

#[tokio::test]
async fn one_address_cannot_take_every_slot() {
    let flags = ["--max-connections-per-ip=2", "--rate-limit-per-minute=0"];
    let relay = Relay::start(&flags).await;
    let mine = [127, 0, 0, 2];
    // Unanswered closes hold their slots.
    let held = [
        phone_from(relay.addr, mine).await.unwrap(),
        phone_from(relay.addr, mine).await.unwrap(),
    ];
    assert_eq!(phone_from(relay.addr, mine).await.err(), Some(503));
    assert!(phone_from(relay.addr, [127, 0, 0, 3]).await.is_ok());
    drop(held);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}
