//! A phone whose binary is behind: not read, not lost, not punished for it.

use relay_core::Limits;

use super::*;

/// A phone that is paused after a handful of messages.
fn setup() -> Setup {
    Setup {
        limits: Limits::default().binary_high_water(1000),
        ..Setup::narrow()
    }
}

fn numbered(n: usize) -> String {
    format!("{{\"n\":{n},\"padding\":\"{}\"}}", "x".repeat(100))
}

/// Sends numbered messages until the relay reads no more, and returns how many were begun.
async fn fill(leg: &mut Leg) -> usize {
    for n in 0.. {
        let message = text(&numbered(n));
        let sent = tokio::time::timeout(SECOND, leg.client.send(message));
        if sent.await.is_err() {
            return n;
        }
    }
    unreachable!("a full queue stops the reader");
}

#[tokio::test(start_paused = true)]
async fn a_full_binary_stops_the_phones_reader() {
    let (binary, mut leg) = setup().phone();
    fill(&mut leg).await;
    assert!((2..20).contains(&leg.messages().len()));
    let queued = leg.registry.stats().queued_bytes;
    assert!((1000..3000).contains(&queued), "{queued} bytes queued");
    drop(binary);
}

/// Ten minutes are many heartbeats: silence that the relay makes itself is no sign of death.
#[tokio::test(start_paused = true)]
async fn a_paused_phone_outlives_the_heartbeat_and_resumes_in_order() {
    let setup = Setup {
        pipe_bytes: 1 << 20,
        ..setup()
    };
    let (binary, mut leg) = setup.phone();
    let all: Vec<_> = (0..1000).map(numbered).collect();
    let sent: Vec<_> = all.iter().flat_map(|message| text(message)).collect();
    leg.client.send(sent).await;
    let mut pings = 0;
    let paused = async {
        loop {
            let frame = leg.client.recv().await;
            assert!(matches!(frame, Frame::Ping(_)), "{frame:?}");
            pings += 1;
        }
    };
    let paused = tokio::time::timeout(600 * SECOND, paused).await;
    assert!(paused.is_err(), "not closed");
    assert!(pings >= 18, "{pings} pings");
    assert!(leg.messages().len() < 20);

    let mut arrived = Vec::new();
    eventually(|| {
        arrived.extend(frames_in(binary.outbox()));
        arrived.len() == all.len()
    })
    .await;
    let routed = |message| format!(r#"{{"conn_id":"{}","frame":{message}}}"#, leg.conn_id);
    let expected: Vec<_> = all.iter().map(routed).collect();
    assert!(arrived == expected, "complete and in order");
    assert!(leg.is_running());
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_died_while_it_was_paused_is_found_out_afterwards() {
    let setup = Setup {
        pipe_bytes: 1 << 20,
        ..setup()
    };
    let (binary, mut leg) = setup.phone();
    for n in 0..20 {
        leg.client.send(text(&numbered(n))).await;
    }
    tokio::time::sleep(600 * SECOND).await;
    let elapsed = stopwatch();
    eventually(|| {
        frames_in(binary.outbox());
        leg.messages().len() == 20
    })
    .await;
    while leg.client.recv().await != Frame::close(1011, "heartbeat timeout") {}
    assert!((30 * SECOND..=66 * SECOND).contains(&elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_paused_phone_is_written_to_and_pinged_and_closed_as_ever() {
    let (binary, mut leg) = setup().phone();
    fill(&mut leg).await;
    leg.deliver(&binary, "\"for the phone\"");
    assert_eq!(leg.client.recv().await, Frame::text("\"for the phone\""));
    assert!(matches!(leg.client.recv().await, Frame::Ping(_)));
    leg.direct(&binary, 4403);
    assert_eq!(leg.client.recv().await, Frame::close(4403, ""));
    leg.client.finish().await;
    assert_eq!(leg.client.recv().await, Frame::End);
    let ended = leg.ended().await;
    assert!(ended.close_written);
}

#[tokio::test(start_paused = true)]
async fn a_paused_phone_whose_binary_goes_is_closed_at_its_next_frame() {
    let setup = Setup {
        pipe_bytes: 1 << 20,
        ..setup()
    };
    let (binary, mut leg) = setup.phone();
    for n in 0..20 {
        leg.client.send(text(&numbered(n))).await;
    }
    let elapsed = stopwatch();
    tokio::task::yield_now().await;
    drop(binary);
    assert_eq!(leg.client.recv().await, Frame::close(1000, ""));
    assert_eq!(elapsed(), Duration::ZERO);
    assert_eq!(leg.closed_by().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_paused_phones_message_has_not_begun() {
    let (binary, mut leg) = setup().phone();
    let begun = fill(&mut leg).await;
    tokio::time::sleep(25 * SECOND).await;
    frames_in(binary.outbox());
    tokio::time::sleep(25 * SECOND).await;
    assert!(leg.is_running(), "{begun} messages begun");
}
