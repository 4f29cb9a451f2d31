//! The executable at its most talkative, with a marker in every place that holds a secret: nothing it writes, serves
//! or closes with may contain one.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::executable::Executable;
use crate::harness::free_addr;
use crate::http::{get, try_get};
use crate::peers::{Peer, connect_with};

const MARKER: &str = "PLANTED";
const PATIENCE: Duration = Duration::from_secs(20);

/// What both of Google's endpoints answer here: a token to the one, an error about it to the other.
async fn google(listener: TcpListener) {
    let mut answers = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        answers.spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (status, body) = if request.starts_with(b"POST /token") {
        let token = format!(r#"{{"access_token":"{MARKER}-access","expires_in":3600}}"#);
        ("200 OK", token)
    } else {
        let error = format!(r#"{{"error":{{"status":"NOT_FOUND","message":"{MARKER}-reply"}}}}"#);
        ("404 Not Found", error)
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().unwrap_or(0));
    body.len() >= length
}

struct Started {
    executable: Executable,
    addr: SocketAddr,
    metrics: SocketAddr,
    /// A piece out of the middle of the private key.
    key_piece: String,
}

fn start(google: SocketAddr, log_format: &str) -> Started {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let pem = key.serialize_pem();
    let key_piece = pem.lines().nth(5).unwrap()[..32].to_owned();
    let credentials = serde_json::json!({
        "type": "service_account",
        "client_email": format!("{MARKER}@example.com"),
        "private_key_id": format!("{MARKER}-key-id"),
        "private_key": pem,
        "token_uri": format!("http://{google}/token"),
    });
    let (addr, metrics) = (free_addr(), free_addr());
    let args = [
        format!("--insecure-listen={addr}"),
        format!("--metrics-listen={metrics}"),
        format!("--log-format={log_format}"),
    ];
    let (credentials, endpoint) = (credentials.to_string(), format!("http://{google}"));
    let environment = [
        ("RUST_LOG", "trace"),
        ("PYRYCODE_RELAY_FCM_CREDENTIALS", &*credentials),
        ("PYRYCODE_RELAY_FCM_ENDPOINT", &*endpoint),
    ];
    Started {
        executable: Executable::start(&args, &environment),
        addr,
        metrics,
        key_piece,
    }
}

/// Traffic of every kind, a marker in each secret; the reasons that peers were closed with.
async fn provoke(relay: &Started) -> Vec<String> {
    let secret = format!("{MARKER}-token");
    let agent = format!("{MARKER}-agent");
    let connect =
        async |path, server_id| connect_with(relay.addr, path, server_id, &secret, &agent).await;
    let mut binary = connect("/v1/server", "s").await;
    let mut phone = connect("/v1/client", "s").await;
    let payload = format!(r#""{MARKER}-payload""#);
    phone.send(payload.clone().into()).await.unwrap();
    let routed = binary.next().await.unwrap().unwrap().into_text().unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&routed).unwrap();
    let conn_id = envelope["conn_id"].as_str().unwrap();
    let mut bad = connect("/v1/client", "s").await;
    bad.send(format!("{MARKER}-garbage").into()).await.unwrap();
    let mut lost = connect("/v1/client", "nobody").await;
    for wake in [
        format!(r#"{{"push_wake":{{"platform":"fcm","token":"{MARKER}-push"}}}}"#),
        format!(r#"{{"push_wake":{{"platform":"{MARKER}-platform","token":"{MARKER}"}}}}"#),
        format!(r#"{{"push_wake":"{MARKER}-push"}}"#),
        format!(r#"{{"{MARKER}-envelope":1}}"#),
        format!(r#"{{"conn_id":"{conn_id}","frame":{payload},"close_code":4401}}"#),
    ] {
        binary.send(wake.into()).await.unwrap();
    }
    let mut reasons = Vec::new();
    for peer in [&mut phone, &mut bad, &mut lost] {
        reasons.push(close_reason(peer).await);
    }
    let failed = r#"pyrycode_relay_push_wakes_total{outcome="send_failed"} 1"#;
    while !get(relay.metrics, "/metrics").await.body.contains(failed) {
        tokio::task::yield_now().await;
    }
    reasons
}

async fn close_reason(peer: &mut Peer) -> String {
    while let Some(Ok(message)) = peer.next().await {
        if let tokio_tungstenite::tungstenite::Message::Close(Some(close)) = message {
            return close.reason.to_string();
        }
    }
    panic!("no close frame");
}

async fn check(log_format: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut fakes = JoinSet::new();
    fakes.spawn(google(listener));
    let relay = start(address, log_format);
    while try_get(relay.addr, "/readyz").await.is_none() {
        tokio::task::yield_now().await;
    }
    let reasons = Box::pin(provoke(&relay)).await;
    let page = get(relay.metrics, "/metrics").await.body;
    let log = relay.executable.stop().await;

    assert!(
        log.contains("push_wake_send_failed"),
        "the wake was told of"
    );
    assert!(log.contains("TRACE"), "nothing is left out");
    for (what, text) in [
        ("log", &log),
        ("page", &page),
        ("reasons", &reasons.join("\n")),
    ] {
        for secret in [MARKER, relay.key_piece.as_str()] {
            let told = text.lines().find(|line| line.contains(secret));
            assert_eq!(told, None, "{what}, {log_format}");
        }
    }
}

#[tokio::test]
async fn nothing_secret_is_told_at_any_level_in_any_format() {
    for log_format in ["logfmt", "json"] {
        tokio::time::timeout(PATIENCE, Box::pin(check(log_format)))
            .await
            .expect("in time");
    }
}
