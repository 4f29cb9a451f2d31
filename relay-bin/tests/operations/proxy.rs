//! PROXY headers in front of TLS: whose they are, what is refused, and how long they are waited for.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::executable::Executable;
use crate::harness::{Relay, free_addr};
use crate::http;
use crate::scratch::Scratch;
use crate::tls_peers::{
    DOMAIN, Issued, Tls, answer_to, binary, client_hello, handshake, issue, phone, rest_of,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const PROXY: u8 = 0x21;
const LOCAL: u8 = 0x20;

fn v2(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[version_command, family], &length, body].concat()
}

/// Source, destination and their ports.
fn tcp4(source: Ipv4Addr) -> Vec<u8> {
    [&source.octets()[..], &[127, 0, 0, 1, 0x12, 0x34, 1, 0xbb]].concat()
}

fn tcp6(source: Ipv6Addr) -> Vec<u8> {
    let destination = Ipv6Addr::LOCALHOST.octets();
    [&source.octets()[..], &destination, &[0x12, 0x34, 1, 0xbb]].concat()
}

struct Stage {
    issued: Issued,
    addr: SocketAddr,
    metrics: SocketAddr,
    args: Vec<String>,
    _scratch: Scratch,
}

impl Stage {
    fn new(flags: &[&str]) -> Self {
        let (scratch, issued) = (Scratch::new(), issue());
        let (addr, metrics) = (free_addr(), free_addr());
        let mut args = issued.write(&scratch).to_vec();
        args.push(format!("--https-listen={addr}"));
        args.push(format!("--metrics-listen={metrics}"));
        args.push("--https-proxy-protocol".to_owned());
        args.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Self {
            issued,
            addr,
            metrics,
            args,
            _scratch: scratch,
        }
    }

    async fn relay(&self) -> Relay {
        let environment = Environment::default();
        Relay::start_when_bound(environment, self.addr, self.metrics, self.args.clone()).await
    }

    /// TLS behind this header.
    async fn connect(&self, header: &[u8]) -> Tls {
        let mut tcp = TcpStream::connect(self.addr).await.unwrap();
        tcp.write_all(header).await.unwrap();
        handshake(tcp, self.issued.client(), DOMAIN).await.unwrap()
    }

    async fn status(&self, header: &[u8], path: &str) -> u16 {
        let tls = self.connect(header).await;
        http::ask(tls, DOMAIN, path).await.status
    }
}

/// The executable, for the client is told in the log. Version 1 and connections of the proxy's own are taken too.
#[tokio::test]
async fn o30_the_header_names_the_client_in_the_log() {
    let stage = Stage::new(&["--log-format=json"]);
    let relay = Executable::start_from((stage.addr, stage.metrics), &stage.args).await;
    let source = tcp4(Ipv4Addr::new(192, 0, 2, 1));
    let tlv = [&source[..], &[4, 0, 3, 1, 2, 3]].concat();
    let v6 = tcp6("2001:db8::1".parse().unwrap());
    let headers = [
        ("v2-tcp4", v2(PROXY, TCP_OVER_IPV4, &source), "192.0.2.1"),
        ("v2-tcp6", v2(PROXY, TCP_OVER_IPV6, &v6), "2001:db8::1"),
        ("v2-tlv", v2(PROXY, TCP_OVER_IPV4, &tlv), "192.0.2.1"),
        ("v2-local", v2(LOCAL, 0, &[]), "127.0.0.1"),
        (
            "v1",
            b"PROXY TCP4 192.0.2.9 127.0.0.1 4660 443\r\n".to_vec(),
            "192.0.2.9",
        ),
        ("v1-unknown", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
    ];
    for (count, (id, header, remote)) in (1..).zip(headers) {
        assert_eq!(stage.status(&header, "/healthz").await, 200, "{id}");
        let binary = binary(stage.connect(&header).await, DOMAIN, id).await;
        let claimed = relay.wait_for(&["server_claimed"], count).await;
        let phone = phone(stage.connect(&header).await, DOMAIN, id).await;
        let registered = relay.wait_for(&["phone_registered"], count).await;
        for told in [claimed, registered] {
            let told = &told[count - 1];
            assert_eq!(told["server_id"], id, "{told}");
            assert_eq!(told["remote"], remote, "{told}");
        }
        drop((binary, phone));
    }
    relay.stop().await;
}

#[tokio::test]
async fn o31_whatever_is_no_header_is_hung_up_on_at_once_without_a_byte() {
    let stage = Stage::new(&[]);
    let relay = stage.relay().await;
    let source = tcp4(Ipv4Addr::new(192, 0, 2, 1));
    for (what, bytes) in [
        ("TLS", client_hello(stage.issued.client(), DOMAIN)),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("nearly version 1", b"PROXX TCP4 ".to_vec()),
        ("version 1 of nobody", b"PROXY TCP4 x y 1 2\r\n".to_vec()),
        ("UNSPEC", v2(PROXY, 0, &[])),
        ("UDP", v2(PROXY, 0x12, &source)),
        ("unix", v2(PROXY, 0x31, &[0; 216])),
        ("version 3", v2(0x31, TCP_OVER_IPV4, &source)),
        ("no such command", v2(0x22, TCP_OVER_IPV4, &source)),
        ("too short", v2(PROXY, TCP_OVER_IPV4, &source[..8])),
        ("too long", v2(PROXY, TCP_OVER_IPV4, &[0; 4096])),
    ] {
        let answer = timeout(Duration::from_secs(1), answer_to(stage.addr, &bytes)).await;
        assert_eq!(answer.expect(what), b"", "{what}");
    }
    relay
        .metric_becomes(
            "pyrycode_relay_handshake_failures_total{stage=\"accept\"}",
            11.0,
        )
        .await;
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

/// What comes of these bytes, and how long that took.
#[expect(
    clippy::disallowed_methods,
    reason = "how long a peer is waited for is what is tested"
)]
async fn timed_answer_to(addr: SocketAddr, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let start = std::time::Instant::now();
    let answer = answer_to(addr, bytes).await;
    (answer, start.elapsed())
}

#[tokio::test]
async fn o32_a_header_or_handshake_that_does_not_come_is_waited_for_5_seconds() {
    let stage = Stage::new(&[]);
    let relay = stage.relay().await;
    let header = v2(PROXY, TCP_OVER_IPV4, &tcp4(Ipv4Addr::new(192, 0, 2, 1)));
    let hello = client_hello(stage.issued.client(), DOMAIN);
    let half_hello = [&header[..], &hello[..hello.len() / 2]].concat();
    let silent = async {
        tokio::join!(
            timed_answer_to(stage.addr, b""),
            timed_answer_to(stage.addr, b"PROXY TCP4 192.0.2.1"),
            timed_answer_to(stage.addr, &header[..20]),
            timed_answer_to(stage.addr, &header),
            timed_answer_to(stage.addr, &half_hello),
        )
    };
    let mut silent = std::pin::pin!(silent);
    for _ in 0..10 {
        tokio::select! {
            biased;
            status = stage.status(&header, "/healthz") => assert_eq!(status, 200),
            ends = &mut silent => panic!("too early: {ends:?}"),
        }
    }
    let (a, b, c, d, e) = silent.await;
    for (answer, elapsed) in [a, b, c, d, e] {
        assert_eq!(answer, b"");
        let seconds = elapsed.as_secs_f64();
        // Twice the time if the relay noticed late that it was up.
        assert!((4.9..14.0).contains(&seconds), "after {seconds} s");
    }
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o33_clients_behind_one_proxy_are_counted_apart() {
    // The burst is the default; the refill is out of a slow machine's way.
    let stage = Stage::new(&["--rate-limit-per-minute=1"]);
    let relay = stage.relay().await;
    let from = |last| v2(PROXY, TCP_OVER_IPV4, &tcp4([192, 0, 2, last].into()));
    for _ in 0..20 {
        assert_eq!(stage.status(&from(1), "/v1/server").await, 400);
    }
    assert_eq!(stage.status(&from(1), "/v1/server").await, 429);
    assert_eq!(stage.status(&from(2), "/v1/server").await, 400);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn a_header_is_believed_from_a_trusted_proxy_only() {
    let stage = Stage::new(&["--trusted-proxy=127.0.0.7"]);
    let relay = stage.relay().await;
    let header = v2(PROXY, TCP_OVER_IPV4, &tcp4(Ipv4Addr::new(192, 0, 2, 1)));
    let hello = client_hello(stage.issued.client(), DOMAIN);
    for (from, is_trusted) in [([127, 0, 0, 7], true), ([127, 0, 0, 8], false)] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut tcp = socket.connect(stage.addr).await.unwrap();
        tcp.write_all(&header).await.unwrap();
        if is_trusted {
            let tls = handshake(tcp, stage.issued.client(), DOMAIN).await.unwrap();
            assert_eq!(http::ask(tls, DOMAIN, "/healthz").await.status, 200);
        } else {
            // It may be hung up on before it has said all.
            let _ = tcp.write_all(&hello).await;
            assert_eq!(rest_of(tcp).await, b"");
        }
    }
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}
