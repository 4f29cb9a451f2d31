//! Heads that never end, on every kind of listener, beside a connection that is merely idle.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::Relay;
use crate::scratch::Scratch;
use crate::{autocert, tls, tls_peers};

const HALF: &[u8] = b"GET /metrics HTTP/1.1\r\nHo";
const WHOLE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: relay.example.com\r\n\r\n";

/// What the relay says before it hangs up on who sent `bytes` and then nothing, about 5 s later, or 10 s if it
/// noticed that late.
async fn last_words_to(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut read = pin!(stream.read_to_end(&mut answer));
    // A TLS handshake before it counts towards the 5 s.
    let early = timeout(Duration::from_secs(4), read.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    let read = timeout(Duration::from_secs(10), read).await;
    if let Err(err) = read.expect("the relay hangs up") {
        // Under TLS: not even goodbye.
        assert_eq!(err.kind(), io::ErrorKind::UnexpectedEof);
    }
    answer
}

/// Asks once more on a connection that is kept.
async fn is_answered(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), status: &str) {
    stream.write_all(WHOLE).await.unwrap();
    let mut answer = String::new();
    while !is_whole(&answer) {
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{answer}");
        answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    body.len() == length.unwrap().parse::<usize>().unwrap()
}

async fn tcp(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

#[tokio::test]
async fn o46_half_a_head_is_hung_up_on_after_5_seconds_and_an_idle_connection_is_not() {
    let relay = Relay::start(&[]).await;
    let (mut idle, mut idle_page) = (tcp(relay.addr).await, tcp(relay.metrics).await);
    is_answered(&mut idle, "200").await;
    is_answered(&mut idle_page, "404").await;
    let (main, page, silent, silent_page) = tokio::join!(
        last_words_to(tcp(relay.addr).await, HALF),
        last_words_to(tcp(relay.metrics).await, HALF),
        last_words_to(tcp(relay.addr).await, b""),
        last_words_to(tcp(relay.metrics).await, b""),
    );
    assert_eq!([main, page, silent, silent_page], [b""; 4]);
    is_answered(&mut idle, "200").await;
    is_answered(&mut idle_page, "404").await;
}

#[tokio::test]
async fn o46_the_same_under_tls() {
    let (scratch, issued) = (Scratch::new(), tls_peers::issue());
    let relay = tls::start(&scratch, &issued, &[]).await;
    let mut idle = tls_peers::connect(relay.addr, issued.client(), tls_peers::DOMAIN).await;
    is_answered(&mut idle, "200").await;
    let (half_head, no_handshake) = tokio::join!(
        last_words_to(
            tls_peers::connect(relay.addr, issued.client(), tls_peers::DOMAIN).await,
            HALF
        ),
        last_words_to(tcp(relay.addr).await, b"")
    );
    assert_eq!([half_head, no_handshake], [b"", b""]);
    is_answered(&mut idle, "200").await;
}

#[tokio::test]
async fn o46_the_same_on_port_80() {
    let scratch = Scratch::new();
    let (_relay, http) = autocert::start(scratch.path()).await;
    let mut idle = tcp(http).await;
    is_answered(&mut idle, "404").await;
    let (half_head, silent) = tokio::join!(
        last_words_to(tcp(http).await, HALF),
        last_words_to(tcp(http).await, b""),
    );
    assert_eq!([half_head, silent], [b"", b""]);
    is_answered(&mut idle, "404").await;
}
