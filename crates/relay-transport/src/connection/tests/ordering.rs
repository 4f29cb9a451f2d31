//! Pings, pongs and frames on one stream: who goes first, and that none of them waits for the other direction.

use super::super::pongs::MAX_WAITING_BYTES;
use super::*;

fn large() -> String {
    format!("\"{}\"", "x".repeat(100_000))
}

#[tokio::test(start_paused = true)]
async fn h03_a_ping_flood_from_a_peer_that_never_reads_does_not_block_the_reader() {
    const PINGS: usize = 10_000;
    let (binary, mut leg) = Setup::narrow().phone();
    let elapsed = stopwatch();
    for n in 1..=PINGS {
        leg.client.send(ping(&n.to_string())).await;
    }
    leg.client.send(text("\"behind the flood\"")).await;
    leg.client.send(ping("newest")).await;
    assert_eq!(elapsed(), Duration::ZERO, "nothing had to wait");

    let mut pongs = Vec::new();
    while pongs.last() != Some(&Frame::Pong(b"newest".to_vec())) {
        pongs.push(leg.client.recv().await);
    }
    assert_eq!(leg.messages(), ["\"behind the flood\""]);
    assert_eq!(frames_in(binary.outbox()).len(), 1);
    // What the pipe held, what was half-written, and what waited behind it.
    let most = (64 + 2 * MAX_WAITING_BYTES) / ping("").len();
    assert!(pongs.len() <= most, "{} pongs", pongs.len());
}

#[tokio::test(start_paused = true)]
async fn h03_a_peer_that_floods_and_never_reads_is_cut_for_accepting_nothing() {
    let (_binary, mut leg) = Setup::narrow().phone();
    let elapsed = stopwatch();
    for _ in 0..100 {
        leg.client.send(ping("flood")).await;
    }
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::WriteTimeout)));
    assert_eq!(elapsed(), 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_pong_returns_the_pings_payload() {
    let (_binary, mut leg) = Setup::default().phone();
    for payload in ["", "hi", &"x".repeat(125)] {
        leg.client.send(ping(payload)).await;
        let pong = leg.client.recv().await;
        assert_eq!(pong, Frame::Pong(payload.as_bytes().to_vec()));
    }
}

#[tokio::test(start_paused = true)]
async fn pings_in_one_read_are_answered_one_by_one() {
    let (_binary, mut leg) = Setup::default().phone();
    let pings = (0..10).map(|n| ping(&format!("payload-{n}")));
    let mut sent: Vec<_> = pings.collect();
    sent.insert(5, text("1"));
    leg.client.send(sent.concat()).await;
    for n in 0..10 {
        let pong = Frame::Pong(format!("payload-{n}").into_bytes());
        assert_eq!(leg.client.recv().await, pong);
    }
    leg.client.send(close(1000, "")).await;
    assert_eq!(leg.client.recv().await, Frame::close(1000, ""));
}

#[tokio::test(start_paused = true)]
async fn of_more_pings_than_are_kept_the_newest_is_answered() {
    let (_binary, mut leg) = Setup::default().phone();
    let large = "x".repeat(125);
    let kept = MAX_WAITING_BYTES / (2 + 125);
    let newest = "y".repeat(125);
    let flood = [ping(&large).repeat(kept), ping(&newest)].concat();
    leg.client.send([flood, text("1")].concat()).await;
    assert_eq!(leg.client.recv().await, Frame::Pong(newest.into_bytes()));
    leg.client.send(close(1000, "")).await;
    assert_eq!(leg.client.recv().await, Frame::close(1000, ""));
}

#[tokio::test(start_paused = true)]
async fn a_pong_is_written_before_what_was_queued_in_the_same_turn() {
    let (binary, mut leg) = Setup::default().phone();
    leg.deliver(&binary, "\"queued\"");
    leg.client.send(ping("hi")).await;
    assert_eq!(leg.client.recv().await, Frame::Pong(b"hi".to_vec()));
    assert_eq!(
        leg.client.recv().await,
        Frame::Text("\"queued\"".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_pong_waits_for_the_frame_under_way_and_for_nothing_behind_it() {
    let (binary, mut leg) = Setup::narrow().phone();
    for _ in 0..5 {
        leg.deliver(&binary, &large());
    }
    leg.client.peek().await;
    leg.client.send(ping("hi")).await;
    leg.client.send(text("\"heard\"")).await;
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    assert_eq!(leg.client.recv().await, Frame::Pong(b"hi".to_vec()));
    for _ in 1..5 {
        assert_eq!(leg.client.recv().await, Frame::Text(large()));
    }
    assert_eq!(leg.messages(), ["\"heard\""]);
}

/// A phone's OkHttp gives up after 20 s without a pong, and a flush to a slow phone takes longer than that.
#[tokio::test(start_paused = true)]
async fn pings_are_answered_while_a_close_waits_for_the_queue() {
    let (binary, mut leg) = Setup::narrow().phone();
    for _ in 0..3 {
        leg.deliver(&binary, &large());
    }
    leg.direct(&binary, 4403);
    leg.client.peek().await;
    leg.client.send(ping("still there?")).await;
    let answer = Frame::Pong(b"still there?".to_vec());
    let frames = [Frame::Text(large()), answer, Frame::Text(large())];
    for frame in frames {
        assert_eq!(leg.client.recv().await, frame);
    }
    assert_eq!(leg.client.recv().await, Frame::Text(large()));
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
}

#[tokio::test(start_paused = true)]
async fn a_probe_pings_at_once_and_shares_the_heartbeats_counter() {
    let (phone, mut leg) = Setup::default().binary();
    let elapsed = stopwatch();
    let incumbent = leg.incumbent();
    let mut probe = std::pin::pin!(incumbent.probe());
    assert!(futures_util::poll!(probe.as_mut()).is_pending());
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    assert_eq!(elapsed(), Duration::ZERO);
    leg.client.send(pong("1")).await;
    assert_eq!(probe.await, relay_core::ProbeAnswer::Alive);

    phone
        .forward(&[b'1'; 100_000])
        .expect("the binary is there");
    leg.client.recv().await;
    assert_eq!(leg.client.recv().await, Frame::Ping(b"2".to_vec()));
    assert!(elapsed() >= 27 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_binary_that_reads_slowly_pings_at_the_next_frame() {
    let (phone, mut leg) = Setup::narrow().binary();
    for _ in 0..3 {
        phone
            .forward(large().as_bytes())
            .expect("the binary is there");
    }
    leg.client.peek().await;
    let incumbent = leg.incumbent();
    let mut probe = std::pin::pin!(incumbent.probe());
    assert!(futures_util::poll!(probe.as_mut()).is_pending());
    assert!(matches!(leg.client.recv().await, Frame::Text(_)));
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    leg.client.send(text("\"any byte\"")).await;
    assert_eq!(probe.await, relay_core::ProbeAnswer::Alive);
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_a_binary_that_goes_finds_it_gone() {
    let (_phone, mut leg) = Setup::default().binary();
    let incumbent = leg.incumbent();
    let mut probe = std::pin::pin!(incumbent.probe());
    assert!(futures_util::poll!(probe.as_mut()).is_pending());
    leg.client.finish().await;
    assert_eq!(probe.await, relay_core::ProbeAnswer::Gone);
}
