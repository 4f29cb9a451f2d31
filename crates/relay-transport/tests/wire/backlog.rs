//! A phone that does not read: what is kept for it, for how long, and what its siblings notice.

use relay_core::Limits;
use relay_transport::Config;

use crate::support::frame::{CLOSE, Frame, TEXT};
use crate::support::raw::{End, Socket};
use crate::support::{RawPeer, Relay, deliver, log, millis, notice, now, routed};

/// A numbered frame of some `bytes`.
pub(crate) fn numbered(n: usize, bytes: usize) -> String {
    format!(r#""{n:08}{}""#, "n".repeat(bytes))
}

/// Sends numbered frames, from `start`, until so many bytes are queued in the relay; the number after the last.
pub(crate) async fn fill(
    relay: &Relay,
    binary: &mut RawPeer,
    id: &str,
    start: usize,
    frame_bytes: usize,
    queued_bytes: usize,
) -> usize {
    let mut next = start;
    while relay.registry.stats().queued_bytes < queued_bytes {
        assert!(next < start + 10_000, "the phone does not take it all");
        let frame = numbered(next, frame_bytes);
        binary.send_text(deliver(id, &frame)).await;
        binary.settle().await;
        next += 1;
    }
    next
}

#[tokio::test]
async fn c41_a_phone_that_pauses_gets_everything_in_order() {
    let relay = Relay::start().await;
    let mut binary = relay.binary("c41").await;
    let known = relay.known_phone_on(Socket::shallow(), "c41", &mut binary);
    let (mut phone, id) = known.await;
    let mut next = 0;
    while relay.registry.stats().queued_bytes < 300 << 10 {
        let frames = (next..next + 300).map(|n| Frame::text(deliver(&id, &numbered(n, 1000))));
        binary.send_all(frames).await;
        binary.settle().await;
        next += 300;
    }
    for n in 0..next {
        assert_eq!(phone.text().await, numbered(n, 1000));
    }
    phone.settle().await;
    assert_eq!(relay.registry.stats().queued_bytes, 0);
}

#[tokio::test]
async fn c42_a_phone_over_its_budget_reads_1011_and_its_sibling_notices_nothing() {
    let limits = Limits::default().max_phone_backlog(1 << 20);
    let relay = Relay::with(Config::default(), limits).await;
    let mut binary = relay.binary("c42").await;
    let known = relay.known_phone_on(Socket::shallow(), "c42", &mut binary);
    let (mut stalled, id) = known.await;
    let (mut sibling, sibling_id) = relay.known_phone("c42", &mut binary).await;
    let full = "binary_forwarder_phone_enqueue_failed";
    let mut sent = 0;
    while log::count("c42", full) == 0 {
        let frame = numbered(sent, 50_000);
        binary.send_text(deliver(&id, &frame)).await;
        binary.send_text(deliver(&sibling_id, "1")).await;
        assert_eq!(sibling.text().await, "1");
        sent += 1;
    }
    // What it had taken or was being written is whole and without a gap; then the close.
    let mut read = 0;
    let close = loop {
        let frame = stalled.frame().await;
        if frame.first != TEXT {
            break frame;
        }
        assert_eq!(frame, Frame::text(numbered(read, 50_000)));
        read += 1;
    };
    assert!(read < sent);
    let backlog_full = (1011, "phone backlog full".to_owned());
    assert_eq!(close.close_status(), backlog_full);
    stalled.send(close).await;
    drop(stalled);
    assert_eq!(binary.text().await, notice(&id, 1011));
    sibling.send_text("2").await;
    assert_eq!(binary.text().await, routed(&sibling_id, "2"));
    assert_eq!(relay.registry.stats().queued_bytes, 0);
}

#[tokio::test]
async fn c42_a_directive_over_the_budget_closes_with_its_own_code() {
    let limits = Limits::default().max_phone_backlog(1 << 20);
    let relay = Relay::with(Config::default(), limits).await;
    let mut binary = relay.binary("c42-d").await;
    let known = relay.known_phone_on(Socket::shallow(), "c42-d", &mut binary);
    let (mut stalled, id) = known.await;
    let next = fill(&relay, &mut binary, &id, 0, 50_000, 900 << 10).await;
    let frame = numbered(next, 200_000);
    let envelope = crate::support::last_words(&id, &frame, 4413);
    binary.send_text(envelope).await;
    let close = loop {
        let frame = stalled.frame().await;
        if frame.first == CLOSE {
            break frame;
        }
    };
    let status = close.close_status();
    assert_eq!(status, (4413, "phone backlog full".to_owned()));
}

#[tokio::test]
async fn c43_a_phone_that_accepts_nothing_is_cut() {
    let config = Config::default().phone_write_timeout(millis(1_000));
    let relay = Relay::with(config, Limits::default()).await;
    let mut binary = relay.binary("c43").await;
    let known = relay.known_phone_on(Socket::shallow(), "c43", &mut binary);
    let (mut stalled, id) = known.await;
    let (mut sibling, sibling_id) = relay.known_phone("c43", &mut binary).await;
    fill(&relay, &mut binary, &id, 0, 100_000, 1 << 20).await;
    assert_eq!(binary.text().await, notice(&id, 1001));
    log::event("c43", "binary_forwarder_phone_send_failed").await;
    let end = loop {
        match stalled.next().await {
            Ok(frame) => assert_eq!(frame.first, TEXT),
            Err(end) => break end,
        }
    };
    assert!(matches!(end, End::Torn | End::Reset), "{end:?}");
    binary.send_text(deliver(&sibling_id, "1")).await;
    assert_eq!(sibling.text().await, "1");
    assert_eq!(relay.registry.stats().queued_bytes, 0);
}

#[tokio::test]
async fn a_phone_that_is_slow_but_takes_something_is_not_cut() {
    let config = Config::default().phone_write_timeout(millis(1_000));
    let relay = Relay::with(config, Limits::default()).await;
    let mut binary = relay.binary("slow").await;
    let known = relay.known_phone_on(Socket::shallow(), "slow", &mut binary);
    let (mut phone, id) = known.await;
    let filling = fill(&relay, &mut binary, &id, 0, 50_000, 2 << 20);
    // Its slowness is the subject: half a megabyte per second, for more than two timeouts.
    let start = now();
    let reading = async {
        let mut pause = tokio::time::interval(millis(100));
        for n in 0..24 {
            pause.tick().await;
            assert_eq!(phone.text().await, numbered(n, 50_000));
        }
    };
    tokio::join!(filling, reading);
    assert!(start.elapsed() > millis(2_000));
    assert!(relay.registry.stats().queued_bytes > 0, "slow all the time");
    assert_eq!(relay.registry.stats().connected_phones, 1);
}

#[tokio::test]
async fn a_whole_attachment_waits_for_a_phone_that_reads_later() {
    let relay = Relay::start().await;
    let (mut binary, mut phone, id) = relay.pair("attachment").await;
    const CHUNKS: usize = 373;
    const CHUNK_BYTES: usize = 80_900;
    for n in 0..CHUNKS {
        let frame = numbered(n, CHUNK_BYTES);
        binary.send_text(deliver(&id, &frame)).await;
    }
    binary.settle().await;
    assert!(relay.registry.stats().queued_bytes > 16 << 20);
    for n in 0..CHUNKS {
        assert_eq!(phone.text().await, numbered(n, CHUNK_BYTES));
    }
}
