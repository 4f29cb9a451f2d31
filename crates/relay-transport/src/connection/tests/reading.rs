//! What arrives is understood however it is cut, and whatever else happens meanwhile.

use super::*;

/// Messages, a ping, fragments around a ping, and a payload that would be a frame if it were read as one.
fn conversation() -> (Vec<u8>, Vec<String>) {
    let trap = format!("[\"{}\"]", "\\u0000\u{1}{}".repeat(30));
    let stream = [
        text("{\"first\":1}"),
        ping("a"),
        frame(TEXT, "[\"h\u{e9}"),
        ping("b"),
        frame(CONTINUATION, [&b"llo\xe2"[..], b"\x82"].concat()),
        frame(FIN | CONTINUATION, b"\xac\"]"),
        text(&trap),
        frame(FIN | BINARY, "7"),
    ];
    let messages = ["{\"first\":1}", "[\"h\u{e9}llo\u{20ac}\"]", &trap, "7"];
    (stream.concat(), messages.map(str::to_owned).into())
}

#[tokio::test(start_paused = true)]
async fn h02_a_phones_bytes_may_be_cut_anywhere_by_frames_for_it() {
    let (stream, messages) = conversation();
    for at in 0..=stream.len() {
        let (binary, mut leg) = Setup::default().phone();
        leg.client.send(&stream[..at]).await;
        leg.deliver(&binary, "\"wake\"");
        let mut frames = vec![leg.client.recv().await];
        leg.client.send(&stream[at..]).await;
        leg.deliver(&binary, "\"again\"");
        while frames.last() != Some(&Frame::text("\"again\"")) {
            frames.push(leg.client.recv().await);
        }
        leg.client.send(close(1000, "")).await;
        frames.extend(leg.client.recv_all().await);
        assert_eq!(leg.messages(), messages, "cut at {at}");
        for due in [
            Frame::text("\"wake\""),
            Frame::text("\"again\""),
            Frame::Pong(b"b".to_vec()),
            Frame::close(1000, ""),
        ] {
            let times = frames.iter().filter(|frame| **frame == due).count();
            assert_eq!(times, 1, "{due:?}, cut at {at}");
        }
        assert_eq!(frames_in(binary.outbox()).len(), messages.len() + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn h02_a_binarys_bytes_may_come_one_by_one_between_frames_and_ping_orders_for_it() {
    let (stream, messages) = conversation();
    let (phone, mut leg) = Setup::default().binary();
    for byte in &stream {
        let incumbent = leg.incumbent();
        let mut probe = std::pin::pin!(incumbent.probe());
        assert!(futures_util::poll!(probe.as_mut()).is_pending());
        phone.forward(b"1").expect("the binary is there");
        leg.client.send([*byte]).await;
        let mut due = 2;
        while due > 0 {
            let frame = leg.client.recv().await;
            if !matches!(frame, Frame::Pong(_)) {
                assert!(matches!(frame, Frame::Text(_) | Frame::Ping(_)));
                due -= 1;
            }
        }
        probe.await;
    }
    assert_eq!(leg.messages(), messages);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_the_upgrade_come_first() {
    let (stream, messages) = conversation();
    for at in [1, 20, stream.len()] {
        let setup = Setup {
            leftover: stream[..at].to_vec(),
            ..Setup::default()
        };
        let (_binary, mut leg) = setup.phone();
        leg.client.send(&stream[at..]).await;
        leg.client.send(close(1000, "")).await;
        let frames = leg.client.recv_all().await;
        assert_eq!(frames.last(), Some(&Frame::close(1000, "")));
        assert_eq!(leg.messages(), messages, "{at} left over");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_handed_on_before_the_close_behind_them() {
    let (binary, mut leg) = Setup::default().phone();
    let backlog = [text("1").repeat(2000), close(1000, "done")].concat();
    leg.client.send(backlog).await;
    assert_eq!(leg.client.recv().await, Frame::close(1000, "done"));
    assert_eq!(leg.messages().len(), 2000);
    assert_eq!(frames_in(binary.outbox()).len(), 2000 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_just_ends_is_the_end_without_a_close_frame() {
    for (sent, what) in [
        (Vec::new(), "idle"),
        (text("1"), "between messages"),
        (frame(TEXT, "1"), "between fragments"),
        (text("1234")[..8].to_vec(), "mid-frame"),
        (text("1234")[..3].to_vec(), "mid-head"),
    ] {
        let (binary, mut leg) = Setup::default().phone();
        let elapsed = stopwatch();
        leg.client.send(sent).await;
        leg.client.finish().await;
        assert_eq!(leg.client.recv_all().await, [], "{what}");
        let ended = leg.ended().await;
        assert!(matches!(ended.read_end, Some(ReadEnd::Eof)), "{what}");
        assert!(!ended.is_clean() && !ended.close_written, "{what}");
        assert_eq!(ended.notice_code(), None, "{what}");
        assert_eq!(elapsed(), Duration::ZERO, "{what}");
        assert_eq!(leg.closed_by(), [], "{what}");
        let notice = format!(r#"{{"conn_id":"{}","close_code":1001}}"#, leg.conn_id);
        assert_eq!(frames_in(binary.outbox()).last(), Some(&notice), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_is_the_end_at_once() {
    let setup = Setup {
        fault: Fault::Resets,
        ..Setup::default()
    };
    let (_binary, mut leg) = setup.phone();
    leg.client.finish().await;
    let ended = leg.ended().await;
    assert!(matches!(ended.read_end, Some(ReadEnd::Io(_))), "{ended:?}");
    assert!(!ended.close_written);
}
