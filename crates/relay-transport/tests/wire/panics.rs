//! A fault of the relay while it serves one connection ends that connection, and nothing else.
//!
//! The fault is planted in the stream below it, which an embedder may bring: nothing of the relay's own panics on
//! purpose.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use relay_shutdown::{Outcome, ShutdownContext};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::Level;

use crate::support::raw::Socket;
use crate::support::{RawPeer, Relay, Request, deliver, eventually, log, notice, routed};

const PANICKED: &str = "connection task panicked";

/// Which calls panic from now on.
#[derive(Default)]
struct Fault {
    in_reads: AtomicBool,
    in_writes: AtomicBool,
}

struct Faulty {
    tcp: TcpStream,
    fault: Arc<Fault>,
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        assert!(!self.fault.in_reads.load(Ordering::SeqCst), "planted");
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.fault.in_writes.load(Ordering::SeqCst), "planted");
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A second way into a relay, through streams of our own.
struct Embedder {
    relay: Relay,
    listener: TcpListener,
    http: JoinSet<()>,
}

impl Embedder {
    async fn dial(&mut self, request: Request) -> (RawPeer, Arc<Fault>) {
        let addr = self.listener.local_addr().expect("a listener");
        let connected = RawPeer::connect(addr, Socket::default());
        let (peer, accepted) = tokio::join!(connected, self.listener.accept());
        let (tcp, remote) = accepted.expect("a connection");
        let fault = Arc::default();
        let stream = Faulty {
            tcp,
            fault: Arc::clone(&fault),
        };
        let connection = http1::Builder::new()
            .serve_connection(
                TokioIo::new(stream),
                self.relay.server.service().for_peer(remote),
            )
            .with_upgrades();
        self.http.spawn(async {
            connection.await.expect("an upgrade");
        });
        let mut peer = peer.expect("a listener");
        peer.upgrade(&request).await;
        peer.settle().await;
        (peer, fault)
    }

    /// The leg is gone with its slot, and has been counted; nobody else is.
    async fn has_lost_one_more(&self, panics: u64) {
        let stats = || self.relay.server.service().stats();
        eventually("a panic", || stats().panics == panics).await;
        eventually("the slot", || stats().connections == BYSTANDERS + 1).await;
    }
}

/// Connections that no fault is planted in.
const BYSTANDERS: usize = 2;

#[tokio::test]
async fn a_panic_in_one_connection_is_told_counted_and_nobody_elses() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("bystander").await;
    let mut embedder = Embedder {
        relay,
        listener: TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        http: JoinSet::new(),
    };

    // A phone, in its own turn to read and behind a frame that is half-way out.
    let mut server = embedder.relay.binary("panics").await;
    let mut panics = 0;
    for in_writes in [false, true] {
        let (mut victim, fault) = embedder.dial(Request::phone("panics")).await;
        victim.send_text("1").await;
        let known = server.text().await;
        let victim_id = crate::support::envelope::conn_id(&known);
        if in_writes {
            fault.in_writes.store(true, Ordering::SeqCst);
            server.send_text(deliver(&victim_id, "2")).await;
        } else {
            fault.in_reads.store(true, Ordering::SeqCst);
            victim.send_text("2").await;
        }
        assert_eq!(server.text().await, notice(&victim_id, 1001));
        assert!(victim.next().await.is_err(), "no word, but an end");
        panics += 1;
        embedder.has_lost_one_more(panics).await;
    }
    server.close(1000, "").await;

    // A binary: its slot is free for a successor at once, and its phone is told so.
    for in_writes in [false, true] {
        let (mut victim, fault) = embedder.dial(Request::binary("panics")).await;
        let mut orphan = embedder.relay.phone("panics").await;
        if in_writes {
            fault.in_writes.store(true, Ordering::SeqCst);
            orphan.send_text("1").await;
        } else {
            fault.in_reads.store(true, Ordering::SeqCst);
            victim.send_text("{}").await;
        }
        assert!(victim.next().await.is_err(), "no word, but an end");
        panics += 1;
        embedder.has_lost_one_more(panics).await;
        let successor = embedder.relay.binary("panics").await;
        orphan
            .expect_close(4404, "binary reclaimed server-id")
            .await;
        successor.close(1000, "").await;
    }

    phone.send_text("1").await;
    assert_eq!(binary.text().await, routed(&id, "1"));
    binary.send_text(deliver(&id, "2")).await;
    assert_eq!(phone.text().await, "2");
    let told = log::all(PANICKED);
    assert_eq!(told.len() as u64, panics);
    for line in told {
        assert_eq!((line.level, line.keys()), (Level::ERROR, vec![]));
    }
    let peers = async {
        phone.expect_close(1001, "shutting down").await;
        assert_eq!(binary.text().await, notice(&id, 1001));
        binary.expect_close(1001, "shutting down").await;
    };
    let (report, ()) = tokio::join!(embedder.relay.shutdown(ShutdownContext::new()), peers);
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.closed, report.cut), (2, 0));
}
