//! Pings in their rhythm, and what counts as an answer.

use super::*;

fn dead() -> Frame {
    Frame::close(1011, "heartbeat timeout")
}

#[tokio::test(start_paused = true)]
async fn h19_a_silent_peer_is_closed_within_sixty_six_seconds() {
    for seed in 0..50 {
        let setup = Setup {
            seed,
            ..Setup::default()
        };
        let (binary, mut leg) = setup.phone();
        let elapsed = stopwatch();
        assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
        let pinged = elapsed();
        assert!((27 * SECOND..=33 * SECOND).contains(&pinged), "{pinged:?}");
        while leg.client.recv().await != dead() {}
        let closed = elapsed();
        assert_eq!(closed - pinged, 30 * SECOND);
        assert!(closed <= 66 * SECOND, "{closed:?}");
        leg.client.finish().await;
        assert!(leg.ended().await.close_written);
        assert_eq!(frames_in(binary.outbox()).len(), 1, "the notice");
    }
}

#[tokio::test(start_paused = true)]
async fn h19_a_silent_binary_leaves_its_slot_with_the_close_order() {
    let (_phone, mut leg) = Setup::default().binary();
    while leg.client.recv().await != dead() {}
    assert!(leg.is_running(), "it could still answer");
    let _successor = leg.claim();
}

#[tokio::test(start_paused = true)]
async fn pings_count_in_decimal_and_keep_their_rhythm() {
    let (_binary, mut leg) = Setup::default().phone();
    let mut last = stopwatch();
    for n in 1..=120 {
        let payload = n.to_string();
        assert_eq!(leg.client.recv().await, Frame::Ping(payload.clone().into()));
        assert!(
            (27 * SECOND..=33 * SECOND).contains(&last()),
            "{n}: {:?}",
            last()
        );
        leg.client.send(pong(&payload)).await;
        last = stopwatch();
    }
}

#[tokio::test(start_paused = true)]
async fn any_byte_answers_a_ping() {
    let bytes = pong("").repeat(4);
    for (what, answers) in [
        ("another pong", vec![pong("not what was asked"); 24]),
        ("a ping", vec![ping(""); 24]),
        ("a message", vec![text("1"); 24]),
        (
            "a byte of a frame",
            bytes.chunks(1).map(<[u8]>::to_vec).collect(),
        ),
    ] {
        let (_binary, mut leg) = Setup::default().phone();
        let elapsed = stopwatch();
        for answer in answers {
            let mut frame = leg.client.recv().await;
            while matches!(frame, Frame::Pong(_)) {
                frame = leg.client.recv().await;
            }
            assert!(matches!(frame, Frame::Ping(_)), "{what}: {frame:?}");
            tokio::time::sleep(Duration::from_millis(25_900)).await;
            leg.client.send(answer).await;
        }
        assert!(elapsed() > 500 * SECOND && leg.is_running(), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_before_the_ping_does_not_answer_it() {
    let (_binary, mut leg) = Setup::default().phone();
    leg.client.send(text("1")).await;
    while leg.client.recv().await != dead() {}
    assert_eq!(leg.messages(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_a_word_but_taking_bytes_is_alive() {
    let (binary, mut leg) = Setup::narrow().phone();
    let frame = format!("\"{}\"", "x".repeat(10_000));
    leg.deliver(&binary, &frame);
    let elapsed = stopwatch();
    for _ in 0..100 {
        leg.client.byte().await.expect("not closed");
        tokio::time::sleep(10 * SECOND).await;
    }
    assert!(elapsed() >= 1000 * SECOND);
    assert!(leg.is_running());
}
