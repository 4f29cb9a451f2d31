//! Cases 20, 21, 47, 50: what a binary may write, and that nothing it writes wrongly harms its leg.

use anyhow::ensure;

use super::Scenario;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_20_bad_envelopes_are_dropped_and_the_leg_stays),
    scenario!(case_20_ten_thousand_bad_envelopes_do_not_flood_the_log),
    scenario!(case_21_keys_in_any_case_and_the_last_duplicate_count),
    scenario!(case_47_a_wake_without_push_is_dropped),
    scenario!(case_50_a_routed_frame_is_no_wake),
];

async fn case_20_bad_envelopes_are_dropped_and_the_leg_stays(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    let routed = |rest: &str| format!(r#"{{"conn_id":"{conn_id}",{rest}}}"#);
    let bad = [
        "not-json".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        r#"{"frame":{}}"#.to_owned(),
        r#"{"conn_id":"x"}"#.to_owned(),
        r#"{"conn_id":7,"frame":1}"#.to_owned(),
        r#"{"conn_id":null,"frame":1}"#.to_owned(),
        r#"{"conn_id":"","frame":1}"#.to_owned(),
        r#"{"close_code":4401}"#.to_owned(),
        routed(r#""frame":null"#),
        routed(r#""close_code":0"#),
        routed(r#""close_code":70000"#),
        routed(r#""close_code":-1"#),
        routed(r#""close_code":4401.0"#),
        routed(r#""close_code":4e3"#),
        routed(r#""close_code":"1""#),
        routed(r#""frame":1"#) + "x",
        routed(r#""frame":1,"#),
        format!("\u{FEFF}{}", routed(r#""frame":1"#)),
    ];
    let mark = relay.log().mark();
    for envelope in &bad {
        binary.send_text(envelope).await?;
    }
    binary.send_text(&routed(r#""frame":"marker""#)).await?;
    let text = phone.text().await?;
    ensure!(text == r#""marker""#, "{text} was delivered");
    let event = relay
        .log()
        .event(
            mark,
            "binary_forwarder_unmarshal_err",
            &[("server_id", "s")],
        )
        .await?;
    ensure!(event.get("level") == Some("WARN"), "{event:?}");
    Ok(())
}

async fn case_20_ten_thousand_bad_envelopes_do_not_flood_the_log(
    stage: &Stage,
) -> anyhow::Result<()> {
    const BAD: usize = 10_000;
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    for number in 0..BAD / 2 {
        binary.send_text("not-json").await?;
        binary
            .send_text(&format!(r#"{{"conn_id":"nobody-{number}","frame":1}}"#))
            .await?;
    }
    binary
        .send_text(&format!(r#"{{"conn_id":"{conn_id}","frame":2}}"#))
        .await?;
    phone.expect_text("2").await?;
    binary.settle().await?;
    let lines = relay.log().lines().len();
    ensure!(
        lines < BAD / 10,
        "{lines} log lines for {BAD} bad envelopes"
    );
    Ok(())
}

async fn case_21_keys_in_any_case_and_the_last_duplicate_count(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    binary
        .send(format!(r#"{{"CONN_ID":"{conn_id}","frame":1,"frame":2}}"#))
        .await?;
    phone.expect_text("2").await?;
    binary
        .send(format!(
            r#"{{"Frame":3,"conn_id":"nobody","unknown":{{"conn_id":4}},"Conn_Id":"{conn_id}"}}"#
        ))
        .await?;
    phone.expect_text("3").await?;
    // An escaped conn_id is the same conn_id.
    binary
        .send(format!(
            r#"{{"conn_id":"\u0063{}","frame":5}}"#,
            &conn_id[1..]
        ))
        .await?;
    phone.expect_text("5").await
}

async fn case_47_a_wake_without_push_is_dropped(stage: &Stage) -> anyhow::Result<()> {
    const TOKEN: &str = "a-push-token-to-look-for";
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    let mark = relay.log().mark();
    binary
        .send(format!(
            r#"{{"push_wake":{{"platform":"fcm","token":"{TOKEN}"}}}}"#
        ))
        .await?;
    let event = relay
        .log()
        .event(
            mark,
            "binary_forwarder_push_wake_dropped",
            &[("server_id", "s")],
        )
        .await?;
    ensure!(
        event.get("level") == Some("WARN") && event.get("err") == Some("relay: push is off"),
        "{event:?}"
    );
    binary.send_to(&conn_id, "1").await?;
    phone.expect_text("1").await?;
    ensure!(
        !relay.log().lines().iter().any(|line| line.contains(TOKEN)),
        "the token was logged"
    );
    Ok(())
}

async fn case_50_a_routed_frame_is_no_wake(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    binary
        .send(format!(
            r#"{{"conn_id":"{conn_id}","frame":1,"push_wake":5}}"#
        ))
        .await?;
    phone.expect_text("1").await?;
    let dropped = relay.log().count("binary_forwarder_push_wake_dropped");
    ensure!(dropped == 0, "a routed frame was taken for a wake");
    Ok(())
}
