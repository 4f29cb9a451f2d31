//! A drain in the middle of live traffic, with peers on a WebSocket stack of their own.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::SinkExt;
use relay_shutdown::{Outcome, ShutdownContext};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::Client;
use crate::support::envelope::{conn_id, frame};
use crate::support::{Relay, eventually, notice, patiently};

const BINARIES: usize = 12;
const PHONES: usize = 16;
/// Frames a phone has under way.
const WINDOW: usize = 4;
/// Echoes each phone has seen before the drain begins.
const WARM: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c51_under_load_every_peer_reads_1001_and_binaries_hear_of_their_phones_first() {
    let relay = Relay::start().await;
    let mut binaries = JoinSet::new();
    let mut phones = JoinSet::new();
    let mut echoes = Vec::new();
    for n in 0..BINARIES {
        let server_id = format!("load-{n}");
        let mut binary = Client::binary(relay.addr, &server_id).await;
        binary.settle().await;
        binaries.spawn(echo_until_drained(binary));
        for _ in 0..PHONES {
            let count = Arc::new(AtomicUsize::new(0));
            let phone = Client::phone(relay.addr, &server_id).await;
            phones.spawn(talk_until_drained(phone, Arc::clone(&count)));
            echoes.push(count);
        }
    }
    let is_warm = || echoes.iter().all(|n| n.load(Ordering::Relaxed) >= WARM);
    eventually("traffic on every leg", is_warm).await;

    let report = relay.shutdown(ShutdownContext::new()).await;
    let peers = BINARIES * (PHONES + 1);
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(report.binaries + report.phones, peers);
    assert_eq!((report.closed, report.cut), (peers as u64, 0));
    assert_eq!(report.frames_dropped, 0);
    // Each checks its own end and panics if it was not what it should be.
    let phones = patiently("the phones", phones.join_all()).await;
    let binaries = patiently("the binaries", binaries.join_all()).await;
    assert_eq!(phones.len() + binaries.len(), peers);
}

async fn talk_until_drained(mut phone: Client, echoed: Arc<AtomicUsize>) {
    for n in 0..WINDOW {
        phone.send(n.to_string()).await;
    }
    let mut next = 0;
    loop {
        match phone.next().await {
            Some(Message::Text(text)) => {
                assert_eq!(text.as_str(), next.to_string(), "no gap");
                phone.send((next + WINDOW).to_string()).await;
                next += 1;
                echoed.store(next, Ordering::Relaxed);
            }
            Some(Message::Close(close)) => {
                assert_goodbye(close);
                break;
            }
            other => panic!("an echo or a close, not {other:?}"),
        }
    }
    assert_eq!(phone.next().await, None, "the end of the stream");
}

async fn echo_until_drained(mut binary: Client) {
    let mut known = HashSet::new();
    let mut gone = HashSet::new();
    loop {
        match binary.next().await {
            Some(Message::Text(text)) => {
                let id = conn_id(&text);
                assert!(!gone.contains(&id), "behind its notice: {text}");
                if frame(&text).is_some() {
                    known.insert(id);
                    let sent = binary.socket.send(Message::Text(text)).await;
                    sent.expect("a relay that reads to the end");
                } else {
                    assert_eq!(text.as_str(), notice(&id, 1001));
                    gone.insert(id);
                }
            }
            Some(Message::Close(close)) => {
                assert_goodbye(close);
                break;
            }
            other => panic!("an envelope or a close, not {other:?}"),
        }
    }
    assert_eq!(known.len(), PHONES);
    assert_eq!(gone, known, "one notice for each, before the close");
    assert_eq!(binary.next().await, None, "the end of the stream");
}

fn assert_goodbye(close: Option<tokio_tungstenite::tungstenite::protocol::CloseFrame>) {
    let close = close.map(|close| (u16::from(close.code), close.reason.to_string()));
    assert_eq!(close, Some((1001, "shutting down".to_owned())));
}

impl Client {
    /// Waits until the relay has dealt with everything sent so far; only before the first message comes.
    pub(crate) async fn settle(&mut self) {
        let ping = Message::Ping("settled?".into());
        self.socket.send(ping).await.expect("an open connection");
        let answer = self.next().await;
        let is_pong = matches!(answer, Some(Message::Pong(_)));
        assert!(is_pong, "a pong, not {answer:?}");
    }
}
