//! Fifty phones and five binaries that come and go at random.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use relay_core::Limits;
use relay_shutdown::ShutdownContext;
use relay_transport::Config;
use tokio::task::JoinSet;

use crate::support::envelope::{conn_id, frame};
use crate::support::frame::{CLOSE, Frame, TEXT};
use crate::support::random::Random;
use crate::support::{RawPeer, Relay, Request, eventually, millis, now, patiently};

const BINARIES: u64 = 5;
const PHONES: usize = 50;
const RUN: std::time::Duration = millis(3_000);

/// Which of all binary connections has heard of a phone.
#[derive(Default)]
struct Heard {
    by: Mutex<HashMap<String, u64>>,
}

impl Heard {
    /// A conn_id belongs to one binary connection for ever.
    fn note(&self, id: String, connection: u64) {
        let before = self.by.lock().insert(id.clone(), connection);
        assert!(
            before.is_none_or(|other| other == connection),
            "{id} was heard of twice"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c55_random_coming_and_going_leaves_nothing_behind() {
    const SEED: u64 = 0x5eed_0055;
    println!("seed {SEED:#x}");
    let mut random = Random::seeded(SEED);
    let config = Config::default()
        .max_connections(60)
        .close_timeout(millis(200))
        .probe_timeout_same_host(millis(100));
    let limits = Limits::default().grace(millis(50));
    let relay = Arc::new(Relay::with(config, limits).await);
    let heard = Arc::new(Heard::default());
    let end = now() + RUN;

    let mut tasks = JoinSet::new();
    for n in 0..BINARIES {
        let (relay, heard) = (Arc::clone(&relay), Arc::clone(&heard));
        let mut random = random.fork();
        tasks.spawn(async move {
            let mut connection = n;
            while now() < end {
                be_binary(&relay, &heard, &mut random, n, connection).await;
                connection += BINARIES;
            }
        });
    }
    for _ in 0..PHONES {
        let relay = Arc::clone(&relay);
        let mut random = random.fork();
        tasks.spawn(async move {
            while now() < end {
                be_phone(&relay, &mut random).await;
            }
        });
    }
    patiently("the end of the churn", tasks.join_all()).await;
    assert!(heard.by.lock().len() > PHONES, "there was traffic");

    let registry = &relay.registry;
    let gone = || {
        let stats = registry.stats();
        let connected = stats.connected_binaries + stats.connected_phones;
        connected == 0 && stats.queued_bytes == 0
    };
    eventually("gauges at zero", gone).await;
    let is_empty = || registry.snapshot().legs().is_empty();
    eventually("an empty registry", is_empty).await;
    every_slot_is_free(&relay).await;
    let report = relay.shutdown(ShutdownContext::new()).await;
    assert_eq!((report.binaries, report.phones), (0, 0));
}

/// All sixty connections that the cap allows can be made.
async fn every_slot_is_free(relay: &Relay) {
    let mut pause = tokio::time::interval(millis(10));
    patiently("every slot", async {
        loop {
            let mut peers = Vec::new();
            for n in 0..60 {
                let mut peer = relay.connect().await;
                let request = Request::binary(&format!("slot-{n}"));
                if peer.ask(&request).await.status == 101 {
                    peers.push(peer);
                }
            }
            let all = peers.len();
            for peer in peers {
                peer.close(1000, "").await;
            }
            if all == 60 {
                return;
            }
            pause.tick().await;
        }
    })
    .await;
}

/// `None` while peers that left without a word hold every slot.
async fn dial(relay: &Relay, request: Request) -> Option<RawPeer> {
    let mut peer = relay.connect().await;
    match peer.ask(&request).await.status {
        101 => Some(peer),
        status => {
            assert_eq!(status, 503);
            None
        }
    }
}

/// One connection of a binary that echoes frames, until chance ends it one way or another.
async fn be_binary(relay: &Relay, heard: &Heard, random: &mut Random, n: u64, connection: u64) {
    let request = Request::binary(&format!("churn-{n}"));
    let Some(mut binary) = dial(relay, request).await else {
        return;
    };
    let messages = random.below(40);
    let mut gone = HashSet::new();
    binary.send(Frame::ping("in?")).await;
    for _ in 0..=messages {
        let frame_read = match tokio::time::timeout(millis(100), binary.next()).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(end)) => panic!("the end of a binary that did nothing wrong: {end:?}"),
            Err(_quiet) => break,
        };
        if frame_read.first == CLOSE {
            // Its own predecessor, which was reset, may not have been found dead yet.
            assert_eq!(frame_read.close_status().0, 4409);
            return;
        }
        if frame_read.first != TEXT {
            continue;
        }
        let text = String::from_utf8(frame_read.payload).expect("UTF-8");
        let id = conn_id(&text);
        assert!(!gone.contains(&id), "behind its notice: {text}");
        heard.note(id.clone(), connection);
        if frame(&text).is_none() {
            gone.insert(id);
        } else if binary.try_send(Frame::text(text)).await.is_err() {
            return;
        }
    }
    leave(binary, random).await;
}

/// One connection of a phone that counts, until chance ends it one way or another.
async fn be_phone(relay: &Relay, random: &mut Random) {
    let n = random.below(BINARIES);
    let request = Request::phone(&format!("churn-{n}"));
    let Some(mut phone) = dial(relay, request).await else {
        return;
    };
    for n in 0..random.below(8) {
        if phone.try_send(Frame::text(n.to_string())).await.is_err() {
            return;
        }
        match tokio::time::timeout(millis(100), phone.next()).await {
            Ok(Ok(frame)) if frame.first == CLOSE => {
                // Absent, full, replaced, or in grace.
                let (code, _) = frame.close_status();
                assert!(matches!(code, 4404 | 4429 | 1000), "{code}");
                return;
            }
            Ok(Ok(frame)) => assert_eq!(frame, Frame::text(n.to_string())),
            Ok(Err(end)) => panic!("the end of a phone that did nothing wrong: {end:?}"),
            // The binary has left with the frame unread.
            Err(_quiet) => break,
        }
    }
    leave(phone, random).await;
}

async fn leave(mut peer: RawPeer, random: &mut Random) {
    match random.below(4) {
        0 => peer.reset(),
        1 => drop(peer),
        2 => {
            let _ = peer.try_send(Frame::close(1000, "")).await;
        }
        _ => {
            // The relay may be closing too; then its close comes instead of the echo.
            let _ = peer.try_send(Frame::close(4999, "bye")).await;
            while let Ok(frame) = peer.next().await {
                if frame.first == CLOSE {
                    return;
                }
            }
        }
    }
}
