//! Cases 26, 27: a phone leaves, and its binary is told exactly once.

use super::Scenario;
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_26_a_close_is_echoed_and_its_code_is_the_notice),
    scenario!(case_26_an_empty_close_is_noticed_as_1005),
    scenario!(case_26_a_lost_connection_is_noticed_as_1001),
    scenario!(case_27_the_last_frame_comes_before_the_notice),
];

async fn case_26_a_close_is_echoed_and_its_code_is_the_notice(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    for (code, reason) in [(4999, "bye"), (1000, ""), (1001, "going away"), (3000, "é")] {
        let (phone, conn_id) = relay.phone("s").await?;
        phone.close(code, reason).await?;
        binary.expect_notice(&conn_id, code).await?;
    }
    Ok(())
}

async fn case_26_an_empty_close_is_noticed_as_1005(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    phone.send(&Frame::new(opcode::CLOSE, "")).await?;
    let echo = phone.close_frame().await?;
    anyhow::ensure!(
        echo == (None, String::new()),
        "an empty echo expected, got {echo:?}"
    );
    phone.expect_eof().await?;
    binary.expect_notice(&conn_id, 1005).await
}

async fn case_26_a_lost_connection_is_noticed_as_1001(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (phone, conn_id) = relay.raw_phone("s").await?;
    phone.reset()?;
    binary.expect_notice(&conn_id, 1001).await?;
    let (phone, conn_id) = relay.raw_phone("s").await?;
    drop(phone);
    binary.expect_notice(&conn_id, 1001).await?;
    // In the middle of a message.
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    phone.send(&Frame::text("{").unfinished()).await?;
    phone.reset()?;
    binary.expect_notice(&conn_id, 1001).await
}

async fn case_27_the_last_frame_comes_before_the_notice(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    phone
        .send_bytes(
            &[
                Frame::text("1").bytes(),
                Frame::text("2").bytes(),
                Frame::close(1000, "").bytes(),
            ]
            .concat(),
        )
        .await?;
    binary.expect_frame(&conn_id, "1").await?;
    binary.expect_frame(&conn_id, "2").await?;
    binary.expect_notice(&conn_id, 1000).await
}
