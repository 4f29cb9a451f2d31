//! Cases 11 to 19, 54: frames find their way, unchanged and in order, and only theirs.

use anyhow::ensure;

use super::Scenario;
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::peer::{Peer, check_conn_id};
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_11_no_server_closes_4404),
    scenario!(case_11_a_refused_phone_that_already_spoke_reads_4404),
    scenario!(case_12_a_frame_is_wrapped_verbatim_as_text),
    scenario!(case_13_a_frame_keeps_its_spelling),
    scenario!(case_14_binary_messages_fragments_and_scalars_are_forwarded_as_text),
    scenario!(case_15_what_is_not_json_ends_the_phone),
    scenario!(case_16_nothing_after_a_bad_frame_is_forwarded),
    scenario!(case_17_the_way_back_is_byte_for_byte),
    scenario!(case_18_only_the_addressed_phone_receives_and_in_order),
    scenario!(case_19_a_binary_reaches_only_its_own_phones),
    scenario!(case_54_a_silent_phone_is_noticed_once_when_it_leaves),
];

async fn case_11_no_server_closes_4404(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mark = relay.log().mark();
    let mut phone = Peer::upgrade(relay.addr(), &Request::phone("s")).await?;
    phone.expect_close(4404, "no server with that id").await?;
    let event = relay
        .log()
        .event(mark, "phone_register_no_server", &[("server_id", "s")])
        .await?;
    let keys: Vec<&str> = event.keys().collect();
    ensure!(
        keys == ["time", "level", "msg", "server_id", "remote"],
        "{keys:?}"
    );
    Ok(())
}

async fn case_11_a_refused_phone_that_already_spoke_reads_4404(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    // The first frames ride in the segment of the request: they are unread when the relay closes.
    let mut phone = RawPeer::dial(relay.addr()).await?;
    let init = Frame::text(r#"{"v":2,"type":"noise_init","data":""}"#).bytes();
    phone
        .send_bytes(&[Request::phone("s").bytes(), init.repeat(1000)].concat())
        .await?;
    phone.response().await?.expect(101)?;
    phone.expect_close(4404, "no server with that id").await
}

async fn case_12_a_frame_is_wrapped_verbatim_as_text(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    check_conn_id(&conn_id)?;
    phone.send_text(r#"{"a": 1 }"#).await?;
    let expected = format!(r#"{{"conn_id":"{conn_id}","frame":{{"a": 1 }}}}"#);
    let frame = binary.frame().await?;
    ensure!(frame == Frame::text(expected).unmasked(), "{frame:?}");
    Ok(())
}

async fn case_13_a_frame_keeps_its_spelling(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    for frame in [
        "{\"h\":\"<&>\u{2028}\u{2029}\",\"n\":1.0e+02,\"a\":1,\"a\":2}",
        r#"{"escaped":"\/\u003C\ud800","deep":[[[[[[[[[[[[]]]]]]]]]]]]}"#,
        "{\"lines\"\n:\t[ 1 ,\r\n2 ]}",
    ] {
        phone.send(frame).await?;
        binary.expect_frame(&conn_id, frame).await?;
    }
    Ok(())
}

async fn case_14_binary_messages_fragments_and_scalars_are_forwarded_as_text(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    let mut expect = async |frame: &str| {
        let text = binary.text().await?;
        ensure!(
            text == format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#),
            "{text}"
        );
        Ok(())
    };
    phone
        .send(&Frame::new(opcode::BINARY, r#"{"a":1}"#))
        .await?;
    expect(r#"{"a":1}"#).await?;
    let fragments = [
        Frame::text(r#"{"é":"#.as_bytes()[..3].to_vec()).unfinished(),
        Frame::new(opcode::CONTINUATION, "").unfinished(),
        Frame::ping("between"),
        Frame::new(opcode::CONTINUATION, &"{\"é\":2}".as_bytes()[3..]),
    ];
    for fragment in &fragments {
        phone.send(fragment).await?;
    }
    expect("{\"é\":2}").await?;
    phone.expect_pong(b"between").await?;
    for scalar in ["null", "true", "7", "-0.5e9", r#""x""#, "[]"] {
        phone.send_text(scalar).await?;
        expect(scalar).await?;
    }
    Ok(())
}

/// The binary's next message is a frame of a phone that dials now: whatever was sent to it before would come first.
async fn expect_nothing_before_a_new_phone(
    relay: &Relay,
    server_id: &str,
    binary: &mut Peer,
) -> anyhow::Result<()> {
    let (mut phone, conn_id) = relay.phone(server_id).await?;
    phone.send(r#""marker""#).await?;
    binary.expect_frame(&conn_id, r#""marker""#).await?;
    phone.close(1000, "").await?;
    binary.expect_notice(&conn_id, 1000).await
}

async fn case_15_what_is_not_json_ends_the_phone(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let bad = [
        "not json",
        "",
        "\u{FEFF}{}",
        "{} {}",
        "{\"a\":1,}",
        "[1",
        "\"\u{1}\"",
        "NaN",
        "'x'",
    ];
    for (count, frame) in (1..).zip(bad) {
        let (mut phone, conn_id) = relay.raw_phone("s").await?;
        phone.send_text(frame).await?;
        phone.expect_close(1000, "").await?;
        binary.expect_notice(&conn_id, 1001).await?;
        let logged = relay.log().count("phone_forwarder_marshal_err");
        ensure!(
            logged == count,
            "{logged} times phone_forwarder_marshal_err after {count} bad frames"
        );
    }
    expect_nothing_before_a_new_phone(&relay, "s", &mut binary).await
}

async fn case_16_nothing_after_a_bad_frame_is_forwarded(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    phone
        .send_bytes(&[Frame::text("{").bytes(), Frame::text("{}").bytes()].concat())
        .await?;
    phone.expect_close(1000, "").await?;
    binary.expect_notice(&conn_id, 1001).await?;
    expect_nothing_before_a_new_phone(&relay, "s", &mut binary).await
}

async fn case_17_the_way_back_is_byte_for_byte(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    binary
        .send(format!(
            "{{\"conn_id\":\"{conn_id}\",\"frame\": {{ \"x\" : \"<\" }} ,\"zzz\":1}}"
        ))
        .await?;
    let frame = phone.frame().await?;
    ensure!(
        frame == Frame::text("{ \"x\" : \"<\" }").unmasked(),
        "{frame:?}"
    );
    Ok(())
}

async fn case_18_only_the_addressed_phone_receives_and_in_order(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut first, first_id) = relay.phone("s").await?;
    let (mut second, second_id) = relay.phone("s").await?;
    for number in 0..300 {
        binary.send_to(&first_id, &number.to_string()).await?;
    }
    binary.send_to(&second_id, r#""yours""#).await?;
    for number in 0..300 {
        first.expect_text(&number.to_string()).await?;
    }
    second.expect_text(r#""yours""#).await
}

async fn case_19_a_binary_reaches_only_its_own_phones(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s1").await?;
    let mut stranger = relay.binary("s2").await?;
    let (mut phone, conn_id) = relay.phone("s1").await?;
    let mark = relay.log().mark();
    stranger.send_to(&conn_id, r#""from a stranger""#).await?;
    let fields = [("server_id", "s2"), ("conn_id", conn_id.as_str())];
    relay
        .log()
        .event(mark, "binary_forwarder_unknown_conn_id", &fields)
        .await?;
    binary.send_to(&conn_id, r#""from yours""#).await?;
    phone.expect_text(r#""from yours""#).await
}

async fn case_54_a_silent_phone_is_noticed_once_when_it_leaves(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (phone, conn_id) = relay.phone("s").await?;
    phone.close(1000, "").await?;
    binary.expect_notice(&conn_id, 1000).await?;
    expect_nothing_before_a_new_phone(&relay, "s", &mut binary).await
}
