//! The time a peer has for a message, and for accepting a byte.

use super::*;

/// A frame that does not fit into a narrow pipe.
fn large() -> String {
    format!("\"{}\"", "x".repeat(1000))
}

/// Sends the parts a second apart until the relay closes, and returns the close and when it came.
async fn dribble(parts: impl IntoIterator<Item = Vec<u8>>) -> (Frame, Duration) {
    let (_binary, mut leg) = Setup::default().phone();
    let elapsed = stopwatch();
    for part in parts {
        leg.client.send(part).await;
        let close = async {
            loop {
                let frame = leg.client.recv().await;
                if !matches!(frame, Frame::Ping(_) | Frame::Pong(_)) {
                    return frame;
                }
            }
        };
        if let Ok(close) = tokio::time::timeout(SECOND, close).await {
            return (close, elapsed());
        }
    }
    panic!("no close after {:?}", elapsed());
}

fn too_late() -> Frame {
    Frame::close(1008, "message timeout")
}

#[tokio::test(start_paused = true)]
async fn h19_a_message_has_thirty_seconds_from_its_head_whatever_its_progress() {
    let bytes = text(&large()).into_iter().map(|byte| vec![byte]);
    // The head is complete with the eighth byte, seven seconds after the first.
    let (close, after) = dribble(bytes).await;
    assert_eq!((close, after), (too_late(), 37 * SECOND));

    let first = std::iter::once(frame(TEXT, "1"));
    let fragments = first.chain(std::iter::repeat_with(|| frame(CONTINUATION, "1")));
    let (close, after) = dribble(fragments).await;
    assert_eq!((close, after), (too_late(), 30 * SECOND));

    let first = std::iter::once(frame(TEXT, "1"));
    let pings = first.chain(std::iter::repeat_with(|| ping("alive")));
    let (close, after) = dribble(pings).await;
    assert_eq!((close, after), (too_late(), 30 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn h19_a_late_message_is_not_handed_on_and_its_close_is_readable() {
    let (_binary, mut leg) = Setup::default().phone();
    leg.client.send(frame(TEXT, "1")).await;
    while leg.client.recv_alive().await != too_late() {}
    leg.client.send(frame(FIN | CONTINUATION, "2")).await;
    leg.client.send(vec![0; 1 << 20]).await;
    leg.client.finish().await;
    assert_eq!(leg.client.recv_all().await, []);
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::MessageTimeout)));
    assert!(ended.close_written);
    assert_eq!(leg.messages(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn h19_each_message_has_its_own_thirty_seconds() {
    let (_binary, mut leg) = Setup::default().phone();
    leg.client.send(frame(TEXT, "1")).await;
    for n in 1..10 {
        tokio::time::sleep(29 * SECOND).await;
        // The end of one message and the start of the next, in one read.
        let next = [frame(FIN | CONTINUATION, ""), frame(TEXT, "1")].concat();
        leg.client.send(next).await;
        leg.client.send(ping("")).await;
        while leg.client.recv_alive().await != Frame::Pong(Vec::new()) {}
        assert_eq!(leg.messages().len(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn h19_a_connection_without_a_message_under_way_never_times_out() {
    let (binary, mut leg) = Setup::default().phone();
    leg.client.send(text("1")).await;
    let idle = tokio::time::timeout(3600 * SECOND, leg.client.recv_alive());
    assert!(idle.await.is_err(), "nothing but pings for an hour");
    leg.client.send(text("2")).await;
    leg.deliver(&binary, "3");
    assert_eq!(leg.client.recv_alive().await, Frame::text("3"));
    assert_eq!(leg.messages(), ["1", "2"]);
}

/// Takes a byte per `pace` for a while and then none: how long the last byte was ago when the connection ended.
async fn trickle(leg: &mut Leg, pace: Duration) -> Duration {
    for _ in 0..20 {
        tokio::time::sleep(pace).await;
        assert!(leg.is_running(), "it takes bytes");
        leg.client.byte().await.expect("a byte is there");
    }
    let elapsed = stopwatch();
    let ended = leg.ended().await;
    assert!(
        matches!(ended.read_end, Some(ReadEnd::WriteTimeout)),
        "{ended:?}"
    );
    assert!(!ended.close_written);
    elapsed()
}

#[tokio::test(start_paused = true)]
async fn h19_a_phone_may_be_slow_but_not_stand_still_for_thirty_seconds() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    assert_eq!(trickle(&mut leg, 29 * SECOND).await, 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn h19_a_binary_may_be_slow_but_not_stand_still_for_ten_seconds() {
    let (phone, mut leg) = Setup::narrow().binary();
    phone
        .forward(large().as_bytes())
        .expect("the binary is there");
    assert_eq!(trickle(&mut leg, 9 * SECOND).await, 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn h19_time_without_anything_to_write_is_no_stall() {
    let (binary, mut leg) = Setup::narrow().phone();
    for _ in 0..10 {
        let idle = tokio::time::timeout(600 * SECOND, leg.client.recv_alive());
        assert!(idle.await.is_err(), "nothing but pings");
        leg.deliver(&binary, &large());
        tokio::time::sleep(29 * SECOND).await;
        assert_eq!(leg.client.recv_alive().await, Frame::Text(large()));
    }
    let elapsed = stopwatch();
    leg.deliver(&binary, &large());
    leg.ended().await;
    assert_eq!(elapsed(), 30 * SECOND);
}

/// As when the process was stopped, or its runtime overloaded: what waits in the socket is looked at before the clock.
#[tokio::test(start_paused = true)]
async fn what_arrived_in_time_counts_though_it_is_read_too_late() {
    let (_binary, mut leg) = Setup::default().phone();
    assert_eq!(leg.client.recv().await, Frame::Ping(b"1".to_vec()));
    leg.client
        .send([pong("1"), frame(TEXT, "1")].concat())
        .await;
    tokio::time::advance(31 * SECOND).await;
    leg.client.send(frame(FIN | CONTINUATION, "2")).await;
    tokio::time::advance(29 * SECOND).await;
    leg.client.send(text("3")).await;
    eventually(|| leg.messages().len() == 2).await;
    assert!(leg.is_running());
    assert_eq!(leg.closed_by(), []);
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_took_in_time_counts_though_it_is_noticed_too_late() {
    let (binary, mut leg) = Setup::narrow().phone();
    leg.deliver(&binary, &large());
    leg.client.peek().await;
    tokio::task::yield_now().await;
    tokio::time::advance(29 * SECOND).await;
    leg.client.byte().await;
    leg.client.byte().await;
    tokio::time::advance(SECOND).await;
    tokio::task::yield_now().await;
    assert!(leg.is_running());
}
