//! The executable at its most talkative, with a marker in every place that holds a secret: nothing it writes, serves
//! or closes with may contain one.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

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
    child: Child,
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
    let child = Command::new(env!("CARGO_BIN_EXE_pyrycode-relay"))
        .arg(format!("--insecure-listen={addr}"))
        .arg(format!("--metrics-listen={metrics}"))
        .arg(format!("--log-format={log_format}"))
        .env_clear()
        .env("RUST_LOG", "trace")
        .env("PYRYCODE_RELAY_FCM_CREDENTIALS", credentials.to_string())
        .env("PYRYCODE_RELAY_FCM_ENDPOINT", format!("http://{google}"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    Started {
        child,
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
    let mut relay = start(address, log_format);
    let mut stderr = relay.child.stderr.take().unwrap();
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut log = String::new();
        stderr.read_to_string(&mut log).await.unwrap();
        log
    });
    while try_get(relay.addr, "/readyz").await.is_none() {
        tokio::task::yield_now().await;
    }
    let reasons = Box::pin(provoke(&relay)).await;
    let page = get(relay.metrics, "/metrics").await.body;
    let pid = Pid::from_raw(i32::try_from(relay.child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(relay.child.wait().await.unwrap().success());
    let log = reading.join_next().await.unwrap().unwrap();

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
