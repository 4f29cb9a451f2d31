//! Cases 22 to 25: a binary closes a phone.

use anyhow::ensure;

use super::Scenario;
use crate::e2e::frame::Frame;
use crate::e2e::peer::Peer;
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_22_the_frame_comes_before_the_close_and_no_notice_follows),
    scenario!(case_23_a_directive_without_a_frame_closes_at_once),
    scenario!(case_24_a_directive_waits_its_turn_and_ends_the_queue),
    scenario!(case_25_a_code_that_may_not_be_sent_closes_1011),
    scenario!(case_25_close_code_1005_is_an_empty_close),
    scenario!(a_phone_told_to_go_is_not_forwarded_any_more),
];

/// A directive for one phone.
fn directive(conn_id: &str, rest: &str) -> String {
    format!(r#"{{"conn_id":"{conn_id}",{rest}}}"#)
}

/// No notice about an earlier phone is under way: the next message is that of a phone that comes and goes now.
async fn expect_no_notice(relay: &Relay, binary: &mut Peer) -> anyhow::Result<()> {
    let (phone, conn_id) = relay.phone("s").await?;
    phone.close(4000, "").await?;
    binary.expect_notice(&conn_id, 4000).await
}

async fn case_22_the_frame_comes_before_the_close_and_no_notice_follows(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    let mark = relay.log().mark();
    binary
        .send(directive(
            &conn_id,
            r#""frame":{"sealed":"why"},"close_code":4401"#,
        ))
        .await?;
    ensure!(phone.text().await? == r#"{"sealed":"why"}"#);
    phone.expect_close(4401, "").await?;
    let fields = [("conn_id", conn_id.as_str()), ("close_code", "4401")];
    relay
        .log()
        .event(mark, "binary_forwarder_phone_closed", &fields)
        .await?;
    relay
        .log()
        .event(mark, "phone_unregistered", &[("conn_id", conn_id.as_str())])
        .await?;
    expect_no_notice(&relay, &mut binary).await
}

async fn case_23_a_directive_without_a_frame_closes_at_once(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    for (rest, code) in [
        (r#""frame":null,"close_code":4403"#, 4403),
        (r#""close_code":1000"#, 1000),
        (r#""close_code":4999"#, 4999),
    ] {
        let (mut phone, conn_id) = relay.raw_phone("s").await?;
        binary.send(directive(&conn_id, rest)).await?;
        phone.expect_close(code, "").await?;
    }
    expect_no_notice(&relay, &mut binary).await
}

async fn case_24_a_directive_waits_its_turn_and_ends_the_queue(
    stage: &Stage,
) -> anyhow::Result<()> {
    /// Large enough that a narrow phone's socket does not take them all.
    const PADDING: usize = 200_000;
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.narrow_phone("s").await?;
    let frame = |name: &str| format!(r#"{{"name":"{name}","padding":"{}"}}"#, "x".repeat(PADDING));
    for name in ["first", "second", "third"] {
        binary
            .send_text(&directive(&conn_id, &format!(r#""frame":{}"#, frame(name))))
            .await?;
    }
    binary
        .send_text(&directive(&conn_id, r#""frame":"last","close_code":4410"#))
        .await?;
    binary
        .send_text(&directive(&conn_id, r#""frame":"too late""#))
        .await?;
    binary.settle().await?;
    for name in ["first", "second", "third"] {
        ensure!(phone.text().await? == frame(name), "{name} expected");
    }
    ensure!(phone.text().await? == r#""last""#);
    phone.expect_close(4410, "").await
}

async fn case_25_a_code_that_may_not_be_sent_closes_1011(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    for code in [1, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_535] {
        let (mut phone, conn_id) = relay.raw_phone("s").await?;
        let mark = relay.log().mark();
        binary
            .send(directive(&conn_id, &format!(r#""close_code":{code}"#)))
            .await?;
        phone
            .expect_close(1011, "invalid close code")
            .await
            .map_err(|error| error.context(format!("asked to close {code}")))?;
        let asked = code.to_string();
        let fields = [
            ("conn_id", conn_id.as_str()),
            ("close_code", asked.as_str()),
        ];
        relay
            .log()
            .event(mark, "binary_forwarder_invalid_close_code", &fields)
            .await?;
    }
    expect_no_notice(&relay, &mut binary).await
}

async fn case_25_close_code_1005_is_an_empty_close(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    binary
        .send(directive(&conn_id, r#""close_code":1005"#))
        .await?;
    let closed = phone.close_frame().await?;
    ensure!(closed == (None, String::new()), "{closed:?}");
    expect_no_notice(&relay, &mut binary).await
}

async fn a_phone_told_to_go_is_not_forwarded_any_more(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    binary
        .send(directive(&conn_id, r#""close_code":4408"#))
        .await?;
    let closed = phone.close_frame().await?;
    ensure!(closed == (Some(4408), String::new()), "{closed:?}");
    phone.send_text(r#""too late""#).await?;
    phone.send(&Frame::close(4408, "")).await?;
    phone.expect_eof().await?;
    expect_no_notice(&relay, &mut binary).await
}
