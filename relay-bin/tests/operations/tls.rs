//! TLS with certificates from files: the gates, a reload, PROXY headers, and what the page says of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use relay_bin::Signal;
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::harness::{Relay, exit_of, free_addr};
use crate::peers::close_code_of;
use crate::scratch::Scratch;

pub(crate) const DOMAIN: &str = "relay.example.com";

pub(crate) struct Issued {
    pub(crate) root: CertificateDer<'static>,
    chain: String,
    key: String,
}

pub(crate) fn issue() -> Issued {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([DOMAIN.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Issued {
        root: certificate.der().clone(),
        chain: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// The flags for it.
pub(crate) fn write(scratch: &Scratch, issued: &Issued) -> [String; 2] {
    let chain = scratch.file("chain.pem", &issued.chain);
    let key = scratch.file("key.pem", &issued.key);
    let flag = |name, path: &Path| format!("--{name}={}", path.display());
    [flag("tls-cert", &chain), flag("tls-key", &key)]
}

async fn start(scratch: &Scratch, issued: &Issued, flags: &[&str]) -> Relay {
    let (addr, metrics) = (free_addr(), free_addr());
    let mut args = write(scratch, issued).to_vec();
    args.push(format!("--https-listen={addr}"));
    args.push(format!("--metrics-listen={metrics}"));
    args.extend(flags.iter().map(|flag| (*flag).to_owned()));
    Relay::start_with(Environment::default(), addr, metrics, args).await
}

pub(crate) async fn handshake(
    tcp: TcpStream,
    root: &CertificateDer<'static>,
    sni: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(sni.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

async fn connect(addr: SocketAddr, root: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(addr).await.unwrap();
    handshake(tcp, root, DOMAIN).await.unwrap()
}

/// The status of `/healthz` under this name.
async fn health(mut tls: TlsStream<TcpStream>, host: &str) -> String {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Without a close alert at the end, all the same.
    let _ = tls.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn o24_o25_o26_the_name_decides_at_both_gates() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    for (host, status) in [
        (DOMAIN, "200"),
        ("RELAY.example.com:8443", "200"),
        ("other.example.com", "421"),
        ("relay.example.com.evil.com", "421"),
        ("", "421"),
    ] {
        let tls = connect(relay.addr, &issued.root).await;
        assert_eq!(health(tls, host).await, status, "{host:?}");
    }
    for sni in ["other.example.com", "127.0.0.1"] {
        let tcp = TcpStream::connect(relay.addr).await.unwrap();
        assert!(handshake(tcp, &issued.root, sni).await.is_err(), "{sni}");
    }
    relay
        .metric_becomes(
            "pyrycode_relay_handshake_failures_total{stage=\"accept\"}",
            // Two, and the harness that asked in plain HTTP whether it is up.
            3.0,
        )
        .await;
    let series = format!("pyrycode_relay_certificate_not_after_seconds{{domain=\"{DOMAIN}\"}}");
    assert!(relay.metric(&series).await > 1.7e9);
}

#[tokio::test]
async fn o29_plain_http_is_told_so() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    let answer = crate::http::get(relay.addr, "/healthz").await;
    assert!(answer.head.starts_with("HTTP/1.0 400"), "{}", answer.head);
}

#[tokio::test]
async fn a_peer_over_tls_is_served_and_drained() {
    let (scratch, issued) = (Scratch::new(), issue());
    let relay = start(&scratch, &issued, &[]).await;
    let tls = connect(relay.addr, &issued.root).await;
    let mut request = format!("wss://{DOMAIN}/v1/server")
        .into_client_request()
        .unwrap();
    for name in ["x-pyrycode-server", "x-pyrycode-version", "user-agent"] {
        let value = "s".parse().unwrap();
        request.headers_mut().insert(name, value);
    }
    let (peer, _) = Box::pin(client_async(request, tls)).await.unwrap();
    relay
        .metric_becomes("pyrycode_relay_connected_binaries", 1.0)
        .await;
    relay.stop().await;
    assert_eq!(close_code_of(peer).await, 1001);
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn a_hangup_reloads_the_files_and_keeps_what_works() {
    let (scratch, first, second) = (Scratch::new(), issue(), issue());
    let relay = start(&scratch, &first, &[]).await;
    // A chain that does not fit its key changes nothing.
    scratch.file("chain.pem", &second.chain);
    relay.send(Signal::Reload).await;
    assert_eq!(
        health(connect(relay.addr, &first.root).await, DOMAIN).await,
        "200"
    );
    scratch.file("key.pem", &second.key);
    relay.send(Signal::Reload).await;
    let reloaded = async {
        loop {
            let tcp = TcpStream::connect(relay.addr).await.unwrap();
            if let Ok(tls) = handshake(tcp, &second.root, DOMAIN).await {
                return tls;
            }
        }
    };
    let tls = tokio::time::timeout(Duration::from_secs(10), reloaded).await;
    assert_eq!(health(tls.unwrap(), DOMAIN).await, "200");
}

#[tokio::test]
async fn files_that_cannot_be_served_exit_1() {
    let (scratch, issued) = (Scratch::new(), issue());
    let [chain, key] = write(&scratch, &issued);
    scratch.file("chain.pem", "nothing");
    let listen = format!("--https-listen={}", free_addr());
    let args = [&*chain, &*key, &*listen, "--metrics-listen="];
    assert_eq!(exit_of(Environment::default(), &args).await, Exit::Failure);
}

#[tokio::test]
async fn o30_o31_o33_a_proxy_header_comes_first_and_names_the_client() {
    let (scratch, issued) = (Scratch::new(), issue());
    let flags = ["--https-proxy-protocol", "--rate-limit-burst=1"];
    let (addr, metrics) = (free_addr(), free_addr());
    let mut args = write(&scratch, &issued).to_vec();
    args.push(format!("--https-listen={addr}"));
    args.push(format!("--metrics-listen={metrics}"));
    args.extend(flags.map(str::to_owned));
    let relay = Relay::start_when_bound(Environment::default(), addr, metrics, args).await;

    let mut bare = TcpStream::connect(addr).await.unwrap();
    bare.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = bare.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");

    let mut statuses = Vec::new();
    for client in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        let source: std::net::Ipv4Addr = client.parse().unwrap();
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend(source.octets());
        header.extend([127, 0, 0, 1, 0x12, 0x34, 1, 0xbb]);
        tcp.write_all(&header).await.unwrap();
        let mut tls = handshake(tcp, &issued.root, DOMAIN).await.unwrap();
        let request =
            format!("GET /v1/server HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n");
        tls.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = tls.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        statuses.push(answer.split(' ').nth(1).unwrap().to_owned());
    }
    assert_eq!(statuses, ["400", "429", "400"]);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}
