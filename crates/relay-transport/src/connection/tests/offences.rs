//! A peer that breaks the protocol is told how, and can read it whatever it still has under way.

use super::*;

/// Each kind of offence, and the code it deserves.
fn offences() -> Vec<(&'static str, u16, Vec<u8>)> {
    let unmasked = vec![FIN | TEXT, 1, b'1'];
    vec![
        ("reserved bits", 1002, frame(FIN | 0x40 | TEXT, "1")),
        ("unknown opcode", 1002, frame(FIN | 0x3, "1")),
        ("unmasked", 1002, unmasked),
        ("fragmented ping", 1002, frame(PING, "")),
        ("126 bytes of ping", 1002, frame(FIN | PING, [0; 126])),
        ("126 bytes of pong", 1002, frame(FIN | PONG, [0; 126])),
        ("126 bytes of close", 1002, frame(FIN | CLOSE, [3; 126])),
        ("length not minimal", 1002, vec![FIN | TEXT, 0xfe, 0, 125]),
        ("stray continuation", 1002, frame(FIN | CONTINUATION, "1")),
        (
            "new message inside one",
            1002,
            [frame(TEXT, "1"), text("1")].concat(),
        ),
        ("half a close code", 1002, frame(FIN | CLOSE, [3])),
        ("close code 999", 1002, close(999, "")),
        ("close code 1005", 1002, close(1005, "")),
        ("text that is not UTF-8", 1007, frame(FIN | TEXT, b"\xff")),
        (
            "text that ends inside a character, in fragments",
            1007,
            [frame(TEXT, "1"), frame(FIN | CONTINUATION, b"\xe2\x82")].concat(),
        ),
        (
            "fragments without end and without a byte",
            1009,
            [frame(TEXT, ""), frame(CONTINUATION, "").repeat(4096)].concat(),
        ),
        ("too big by its head", 1009, head(FIN | TEXT, 262_145)),
        (
            "too big in fragments",
            1009,
            [
                frame(TEXT, [b'1'; 200_000]),
                frame(CONTINUATION, [b'1'; 62_145]),
            ]
            .concat(),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn h09_each_offence_is_answered_with_its_close() {
    for (what, code, bytes) in offences() {
        let (_binary, mut leg) = Setup::default().phone();
        leg.client.send(text("{\"before\":1}")).await;
        leg.client.send(bytes).await;
        let Frame::Close(Some((received, reason))) = leg.client.recv().await else {
            panic!("{what}: no close");
        };
        assert_eq!(received, code, "{what}");
        assert!(!reason.is_empty(), "{what}: nothing to go by");
        assert_eq!(leg.client.recv().await, Frame::End, "{what}");
        leg.client.finish().await;
        let ended = leg.ended().await;
        let read_end = ended.read_end.as_ref();
        assert!(matches!(read_end, Some(ReadEnd::Violation(_))), "{what}");
        assert!(ended.close_written && !ended.is_clean(), "{what}");
        assert_eq!(ended.notice_code(), None, "{what}");
        assert_eq!(leg.messages(), ["{\"before\":1}"], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn h09_the_close_is_readable_behind_a_megabyte_of_unread_data() {
    for (what, code, bytes) in offences() {
        let setup = Setup {
            pipe_bytes: 4096,
            ..Setup::default()
        };
        let (_binary, mut leg) = setup.phone();
        // Sent whole before anything is read: a relay that had stopped reading would never let it end.
        leg.client.send([bytes, vec![0xff; 1 << 20]].concat()).await;
        let received = leg.client.recv().await;
        assert!(
            matches!(received, Frame::Close(Some((received, _))) if received == code),
            "{what}: {received:?}"
        );
        assert_eq!(leg.client.recv().await, Frame::End, "{what}");
        leg.client.send(vec![0xff; 1 << 20]).await;
        leg.client.finish().await;
        leg.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn h09_an_offender_that_stays_has_five_seconds() {
    let (_binary, mut leg) = Setup::default().phone();
    let elapsed = stopwatch();
    leg.client.send(frame(FIN | 0x3, "1")).await;
    // Not even its own close is understood any more.
    leg.client.send(close(1000, "")).await;
    let ended = leg.ended().await;
    assert_eq!(elapsed(), 5 * SECOND);
    assert_eq!(ended.peer_status, None);
    assert_eq!(leg.client.recv_all().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_offence_drops_what_is_queued_but_not_what_is_half_written() {
    let (binary, mut leg) = Setup::narrow().phone();
    let half_written = format!("\"{}\"", "x".repeat(1000));
    leg.deliver(&binary, &half_written);
    leg.client.peek().await;
    leg.deliver(&binary, "\"queued\"");
    leg.client.send(frame(FIN | 0x3, "1")).await;
    assert_eq!(leg.client.recv().await, Frame::Text(half_written));
    assert_eq!(
        leg.client.recv().await,
        Frame::close(1002, "unknown opcode")
    );
    assert_eq!(leg.client.recv().await, Frame::End);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_ends_its_sender_is_the_last_one_handed_on() {
    let (_binary, mut leg) = Setup::default().phone();
    let sent = [text("1"), text("not JSON"), text("2"), text("3")];
    leg.client.send(sent.concat()).await;
    assert_eq!(leg.client.recv().await, Frame::close(1000, ""));
    leg.client.send(text("4")).await;
    leg.client.send(close(1000, "")).await;
    leg.client.finish().await;
    let ended = leg.ended().await;
    assert!(ended.is_clean());
    assert_eq!(ended.notice_code(), None);
    assert_eq!(leg.messages(), ["1", "not JSON"]);
}
