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

/// What the relay says before it hangs up on who sent `bytes` and then nothing, about 5 s later.
async fn last_words_to(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let mut read = pin!(stream.read_to_end(&mut answer));
    // A TLS handshake before it counts towards the 5 s.
    let early = timeout(Duration::from_secs(4), read.as_mut()).await;
    assert!(early.is_err(), "{early:?}");
    let read = timeout(Duration::from_secs(5), read).await;
    if let Err(err) = read.expect("the relay hangs up") {
        // Under TLS: not even goodbye.
        assert_eq!(err.kind(), io::ErrorKind::UnexpectedEof);
    }
    answer
}

async fn is_answered(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(WHOLE).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
}

async fn tcp(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

#[tokio::test]
async fn o46_half_a_head_is_hung_up_on_after_5_seconds_and_an_idle_connection_is_not() {
    let relay = Relay::start(&[]).await;
    let mut idle = tcp(relay.addr).await;
    is_answered(&mut idle).await;
    let (main, page) = tokio::join!(
        last_words_to(tcp(relay.addr).await, HALF),
        last_words_to(tcp(relay.metrics).await, HALF)
    );
    assert_eq!([main, page], [b"", b""]);
    is_answered(&mut idle).await;
}

#[tokio::test]
async fn o46_the_same_under_tls() {
    let (scratch, issued) = (Scratch::new(), tls_peers::issue());
    let relay = tls::start(&scratch, &issued, &[]).await;
    let mut idle = tls_peers::connect(relay.addr, issued.client(), tls_peers::DOMAIN).await;
    is_answered(&mut idle).await;
    let (half_head, no_handshake) = tokio::join!(
        last_words_to(
            tls_peers::connect(relay.addr, issued.client(), tls_peers::DOMAIN).await,
            HALF
        ),
        last_words_to(tcp(relay.addr).await, b"")
    );
    assert_eq!([half_head, no_handshake], [b"", b""]);
    is_answered(&mut idle).await;
}

#[tokio::test]
async fn o46_the_same_on_port_80() {
    let scratch = Scratch::new();
    let (_relay, http) = autocert::start(scratch.path()).await;
    assert_eq!(last_words_to(tcp(http).await, HALF).await, b"");
}
