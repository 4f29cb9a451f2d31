//! What a proxy does, seen from the sockets on both sides.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Fault, Link, Plan, Proxy};
use crate::clock::Stopwatch;

/// Both ends of one connection through a proxy, and its handle.
struct Line {
    _proxy: Proxy,
    link: Link,
    peer: TcpStream,
    relay: TcpStream,
}

impl Line {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Proxy::start(listener.local_addr().unwrap(), None)
            .await
            .unwrap();
        let peer = TcpStream::connect(proxy.addr).await.unwrap();
        let (relay, _) = listener.accept().await.unwrap();
        let link = proxy.links.recv().await.unwrap();
        Self {
            _proxy: proxy,
            link,
            peer,
            relay,
        }
    }

    /// Sends towards the relay, where exactly this arrives.
    async fn passes(&mut self, sent: &[u8], arrives: &[u8]) {
        self.peer.write_all(sent).await.unwrap();
        let mut bytes = vec![0; arrives.len()];
        self.relay.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, arrives);
    }
}

async fn ended(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let read = stream.read(&mut [0; 16]).await;
    read.map_err(|error| error.kind())
}

#[tokio::test]
async fn passes_bytes_and_each_end_on() {
    let mut line = Line::new().await;
    line.passes(b"there", b"there").await;
    line.relay.write_all(b"back").await.unwrap();
    line.relay.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    line.peer.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"back");
    // The other half is still open.
    line.passes(b"more", b"more").await;
    drop(line.peer);
    assert_eq!(ended(&mut line.relay).await, Ok(0));
}

#[tokio::test]
async fn resets_both_sides_at_the_byte() {
    let mut line = Line::new().await;
    let plan = Plan::pass_then(3, Fault::Reset);
    line.link.to_relay.set(plan).await;
    line.passes(b"abcdef", b"abc").await;
    let reset = Err(ErrorKind::ConnectionReset);
    assert_eq!(ended(&mut line.relay).await, reset);
    assert_eq!(ended(&mut line.peer).await, reset);
}

#[tokio::test]
async fn ends_both_sides_in_order_over_unread_bytes() {
    let mut line = Line::new().await;
    let plan = Plan::pass_then(3, Fault::End);
    line.link.to_relay.set(plan).await;
    line.relay.write_all(b"unread by the peer").await.unwrap();
    line.passes(b"abcdef", b"abc").await;
    assert_eq!(ended(&mut line.relay).await, Ok(0));
    let mut bytes = Vec::new();
    line.peer.read_to_end(&mut bytes).await.unwrap();
    assert!(b"unread by the peer".starts_with(&bytes), "{bytes:?}");
}

#[tokio::test]
async fn a_reset_of_one_side_is_one_of_the_other() {
    let mut line = Line::new().await;
    line.peer.set_zero_linger().unwrap();
    drop(line.peer);
    let reset = Err(ErrorKind::ConnectionReset);
    assert_eq!(ended(&mut line.relay).await, reset);
}

#[tokio::test]
async fn half_open_swallows_bytes_and_ends_until_it_heals() {
    let mut line = Line::new().await;
    line.link.set(Fault::Discard).await;
    // More than the buffers of both sockets hold: somebody takes it in.
    line.peer.write_all(&vec![0; 16 << 20]).await.unwrap();
    drop(line.peer);
    line.relay.write_all(b"lost").await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(50), ended(&mut line.relay));
    assert!(nothing.await.is_err());
    line.link.to_relay.set(Fault::Pass).await;
    assert_eq!(ended(&mut line.relay).await, Ok(0));
}

#[tokio::test]
async fn frozen_blocks_the_sender_and_thaws_without_a_loss() {
    let mut line = Line::new().await;
    line.link.to_relay.set(Fault::Freeze).await;
    let bytes: Vec<u8> = (0..16 << 20).map(|n: u32| n.to_be_bytes()[3]).collect();
    let mut sending = std::pin::pin!(line.peer.write_all(&bytes));
    let blocked = tokio::time::timeout(Duration::from_millis(50), &mut sending);
    assert!(blocked.await.is_err());
    line.link.to_relay.set(Fault::Pass).await;
    let mut received = vec![0; bytes.len()];
    let (sent, read) = tokio::join!(sending, line.relay.read_exact(&mut received));
    sent.unwrap();
    read.unwrap();
    assert!(received == bytes);
}

#[tokio::test]
async fn a_delay_is_one_for_each_byte_and_does_not_add_up() {
    const DELAY: Duration = Duration::from_millis(50);
    let mut line = Line::new().await;
    line.link.to_relay.set(Fault::Delay(DELAY)).await;
    let stopwatch = Stopwatch::start();
    for byte in 0..20 {
        line.peer.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut bytes = [0; 20];
    line.relay.read_exact(&mut bytes).await.unwrap();
    let elapsed = stopwatch.elapsed();
    assert!(bytes.iter().copied().eq(0..20));
    assert!(elapsed >= DELAY && elapsed < 20 * DELAY, "{elapsed:?}");
}

#[tokio::test]
async fn dribbles_in_pieces_at_a_pace() {
    let mut line = Line::new().await;
    let every = Duration::from_millis(2);
    let dribble = Fault::Dribble { bytes: 2, every };
    line.link.to_relay.set(dribble).await;
    let stopwatch = Stopwatch::start();
    line.passes(b"0123456789", b"0123456789").await;
    // The first piece does not wait.
    assert!(stopwatch.elapsed() >= 4 * every);
}
