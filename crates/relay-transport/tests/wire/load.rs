//! Order and isolation under load, with peers on a WebSocket stack of their own.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::backlog::numbered;
use crate::support::client::Client;
use crate::support::envelope::{conn_id, frame};
use crate::support::raw::Socket;
use crate::support::{RawPeer, Relay, deliver, millis, notice, now, patiently};

const PHONES: usize = 6;
const FRAMES: usize = 1_000;

/// Sizes around the borders of frame heads and chunks.
fn size(n: usize) -> usize {
    [0, 90, 120, 1_000, 5_000, 40_000][n % 6]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_stay_in_order_both_ways_under_load() {
    let relay = Relay::start().await;
    let mut binary = Client::binary(relay.addr, "fifo").await;
    binary.settle().await;
    let mut phones = JoinSet::new();
    for _ in 0..PHONES {
        let phone = Client::phone(relay.addr, "fifo").await;
        phones.spawn(async move {
            let (mut send, mut receive) = phone.socket.split();
            let sending = async {
                for n in 0..FRAMES {
                    let text = Message::text(numbered(n, size(n)));
                    send.feed(text).await.expect("an open phone");
                }
                send.flush().await.expect("an open phone");
            };
            let receiving = async {
                let mut n = 0;
                while n < FRAMES {
                    if let Message::Text(text) = receive.next().await.unwrap().unwrap() {
                        assert_eq!(text.as_str(), numbered(n, size(n)));
                        n += 1;
                    }
                }
            };
            tokio::join!(sending, receiving);
        });
    }
    let (mut send, mut receive) = binary.socket.split();
    // Echoes what it gets: both directions carry the same numbers.
    let (echo, mut echoes) = tokio::sync::mpsc::channel::<String>(64);
    let reading = async move {
        let mut next: HashMap<String, usize> = HashMap::new();
        let mut read = 0;
        while read < PHONES * FRAMES {
            let Message::Text(text) = receive.next().await.unwrap().unwrap() else {
                continue;
            };
            let Some(frame) = frame(&text) else {
                // A phone that has all its echoes leaves.
                continue;
            };
            let n = next.entry(conn_id(&text)).or_default();
            assert_eq!(frame, numbered(*n, size(*n)));
            *n += 1;
            read += 1;
            // Frames and envelopes have the same bytes.
            echo.send(text.to_string()).await.expect("an echo");
        }
        receive
    };
    let writing = async move {
        while let Some(text) = echoes.recv().await {
            send.send(Message::text(text))
                .await
                .expect("an open binary");
        }
        send
    };
    let work = async { tokio::join!(reading, writing, phones.join_all()) };
    let _open_until_here = patiently("all frames there and back", work).await;
}

/// Medians of a phone's round trip through its binary, and of the binary's own ping.
async fn latencies(
    binary: &mut RawPeer,
    sibling: &mut RawPeer,
    sibling_id: &str,
    flood: Option<&str>,
) -> (Duration, Duration) {
    const ROUNDS: usize = 150;
    let mut echoes = Vec::new();
    let mut pongs = Vec::new();
    for n in 0..ROUNDS {
        if let Some(stalled_id) = flood {
            let frame = numbered(n, 60_000);
            binary.send_text(deliver(stalled_id, &frame)).await;
        }
        let start = now();
        sibling.send_text(n.to_string()).await;
        let text = binary.text().await;
        let echo = frame(&text).expect("no notice");
        binary.send_text(deliver(&conn_id(&text), echo)).await;
        assert_eq!(sibling.text().await, n.to_string());
        assert_eq!(conn_id(&text), sibling_id);
        echoes.push(start.elapsed());
        let start = now();
        binary.settle().await;
        pongs.push(start.elapsed());
    }
    echoes.sort();
    pongs.sort();
    (echoes[ROUNDS / 2], pongs[ROUNDS / 2])
}

#[tokio::test]
async fn siblings_and_pongs_are_as_fast_beside_a_stalled_phone() {
    let relay = Relay::start().await;
    let (mut binary, mut sibling, sibling_id) = relay.pair("isolation").await;
    // The same flood to a phone that reads it, as the measure.
    let (mut reading, reading_id) = relay.known_phone("isolation", &mut binary).await;
    let mut readers = JoinSet::new();
    readers.spawn(async move { while reading.text().await != r#""end""# {} });
    let flood = Some(reading_id.as_str());
    let without = latencies(&mut binary, &mut sibling, &sibling_id, flood).await;
    binary.send_text(deliver(&reading_id, r#""end""#)).await;
    readers.join_all().await;
    assert_eq!(binary.text().await, notice(&reading_id, 1001));

    let known = relay.known_phone_on(Socket::narrow(), "isolation", &mut binary);
    let (mut stalled, stalled_id) = known.await;
    let flood = Some(stalled_id.as_str());
    let beside = latencies(&mut binary, &mut sibling, &sibling_id, flood).await;
    let queued = relay.registry.stats().queued_bytes;
    assert!(queued > 1 << 20, "{queued} bytes queued: it was stalled");

    let allowed = |without: Duration| 5 * without + millis(20);
    assert!(beside.0 <= allowed(without.0), "{beside:?} / {without:?}");
    assert!(beside.1 <= allowed(without.1), "{beside:?} / {without:?}");
    // And it missed nothing.
    for n in 0..150 {
        assert_eq!(stalled.text().await, numbered(n, 60_000));
    }
}
