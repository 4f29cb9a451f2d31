//! Cases 38, 45, 46 and what else RFC 6455 asks of a server: size, framing, text, pings.

use super::{Scenario, json_string};
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_38_the_largest_message_passes_and_one_byte_more_is_1009),
    scenario!(case_38_a_binary_that_sends_too_much_is_1009_and_in_grace),
    scenario!(case_45_framing_offences_are_1002),
    scenario!(case_45_text_that_is_not_utf_8_is_1007),
    scenario!(case_46_a_ping_is_answered_with_its_payload),
];

/// The largest message, in bytes; inclusive.
const MAX_MESSAGE: usize = 262_144;

async fn case_38_the_largest_message_passes_and_one_byte_more_is_1009(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    let largest = json_string(MAX_MESSAGE);
    phone.send_text(&largest).await?;
    binary.expect_frame(&conn_id, &largest).await?;

    let over = json_string(MAX_MESSAGE + 1).into_bytes();
    phone.send(&Frame::text(over.clone())).await?;
    phone.expect_close_code(1009).await?;
    binary.expect_notice(&conn_id, 1001).await?;

    let (head, tail) = over.split_at(MAX_MESSAGE / 2);
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    phone.send(&Frame::text(head).unfinished()).await?;
    phone.send(&Frame::new(opcode::CONTINUATION, tail)).await?;
    phone.expect_close_code(1009).await?;
    binary.expect_notice(&conn_id, 1001).await?;

    // The header alone is enough: the rest need not come.
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    phone.send_bytes(&Frame::text(over).bytes()[..14]).await?;
    phone.expect_close_code(1009).await?;
    binary.expect_notice(&conn_id, 1001).await
}

async fn case_38_a_binary_that_sends_too_much_is_1009_and_in_grace(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    let envelope = |frame: &str| format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#);
    let largest = json_string(MAX_MESSAGE - envelope("").len());
    binary.send_text(&envelope(&largest)).await?;
    phone.expect_text(&largest).await?;
    let mark = relay.log().mark();
    binary
        .send_text(&envelope(&json_string(largest.len() + 1)))
        .await?;
    binary.expect_close_code(1009).await?;
    relay
        .log()
        .event(mark, "server_released", &[("server_id", "s")])
        .await?;
    anyhow::ensure!(
        relay.connected().await? == (0, 1),
        "the phone outlives its binary for the time of grace"
    );
    Ok(())
}

async fn case_45_framing_offences_are_1002(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let whole = |frame: Frame| vec![frame];
    let offences = [
        ("RSV1", whole(Frame::text("{}").rsv(4))),
        ("RSV2", whole(Frame::text("{}").rsv(2))),
        ("RSV3", whole(Frame::ping("").rsv(1))),
        ("opcode 3", whole(Frame::new(3, "{}"))),
        ("opcode 11", whole(Frame::new(11, ""))),
        (
            "a stray continuation",
            whole(Frame::new(opcode::CONTINUATION, "{}")),
        ),
        (
            "a message in a message",
            vec![Frame::text("{").unfinished(), Frame::text("{}")],
        ),
        (
            "a fragment of another message",
            vec![Frame::text("{").unfinished(), Frame::text("}").unfinished()],
        ),
        ("a fragmented ping", whole(Frame::ping("x").unfinished())),
        ("a long ping", whole(Frame::ping([b'x'; 126]))),
        ("a long pong", whole(Frame::new(opcode::PONG, [b'x'; 126]))),
        ("a long close", whole(Frame::close(1000, &"x".repeat(124)))),
        ("close code 999", whole(Frame::close(999, ""))),
        ("close code 1005", whole(Frame::close(1005, ""))),
        ("close code 1006", whole(Frame::close(1006, ""))),
        ("close code 5000", whole(Frame::close(5000, ""))),
        ("half a close code", whole(Frame::new(opcode::CLOSE, [3]))),
        ("an unmasked text", whole(Frame::text("{}").unmasked())),
        ("an unmasked ping", whole(Frame::ping("x").unmasked())),
    ];
    for (offence, frames) in offences {
        let (mut phone, conn_id) = relay.raw_phone("s").await?;
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        let outcome = async {
            phone.send_bytes(&bytes).await?;
            phone.expect_close_code(1002).await?;
            binary.expect_notice(&conn_id, 1001).await
        };
        outcome.await.map_err(|error| error.context(offence))?;
    }
    Ok(())
}

async fn case_45_text_that_is_not_utf_8_is_1007(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let _binary = relay.raw_binary("s").await?;
    let bad: [(&str, Vec<Frame>); 3] = [
        ("a wrong byte", vec![Frame::text(b"\"\xFF\"")]),
        ("a surrogate", vec![Frame::text(b"\"\xED\xA0\x80\"")]),
        (
            "half a character at the end",
            vec![
                Frame::text("\"ab").unfinished(),
                Frame::new(opcode::CONTINUATION, b"c\xE2\x82"),
            ],
        ),
    ];
    for (offence, frames) in bad {
        let (mut phone, _) = relay.raw_phone("s").await?;
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::bytes).collect();
        phone.send_bytes(&bytes).await?;
        phone
            .expect_close_code(1007)
            .await
            .map_err(|error| error.context(offence))?;
    }
    let (mut phone, _) = relay.raw_phone("s").await?;
    phone
        .send(&Frame::close(1000, "").with_payload(b"\x03\xE8\xFF"))
        .await?;
    phone
        .expect_close_code(1007)
        .await
        .map_err(|error| error.context("a wrong byte in a close reason"))
}

async fn case_46_a_ping_is_answered_with_its_payload(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, _) = relay.raw_phone("s").await?;
    let longest = "x".repeat(125);
    for peer in [&mut binary, &mut phone] {
        for payload in ["hi", "", longest.as_str()] {
            peer.send(&Frame::ping(payload)).await?;
            peer.expect_pong(payload.as_bytes()).await?;
        }
        // Unasked pongs are nothing.
        peer.send(&Frame::new(opcode::PONG, "unasked")).await?;
        RawPeer::settle(peer).await?;
    }
    Ok(())
}
