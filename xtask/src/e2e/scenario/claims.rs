//! Cases 30 to 35: who holds a server-id.

use anyhow::ensure;

use super::{Scenario, until};
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::peer::Peer;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_30_a_live_binary_keeps_its_id),
    scenario!(case_30_a_binary_that_only_sends_is_alive),
    scenario!(case_31_a_binary_that_does_not_answer_is_replaced),
    scenario!(case_32_of_two_claimants_one_replaces_a_dead_binary),
    scenario!(case_33_a_stalled_phone_does_not_make_its_binary_look_dead),
    scenario!(case_34_a_reclaim_sends_the_old_phones_away),
    scenario!(case_35_a_phone_that_speaks_to_a_gone_binary_is_closed),
];

const CLAIMED: (u16, &str) = (4409, "server-id already claimed");
const EVICTED: (u16, &str) = (4404, "binary reclaimed server-id");

/// The claimant is refused while `incumbent` answers pings.
async fn expect_refused(relay: &Relay, incumbent: &mut Peer) -> anyhow::Result<()> {
    let mark = relay.log().mark();
    let claim = async {
        let mut claimant = RawPeer::upgrade(relay.addr(), &Request::binary("s")).await?;
        claimant.expect_close(CLAIMED.0, CLAIMED.1).await?;
        relay
            .log()
            .event(mark, "server_id_conflict", &[("server_id", "s")])
            .await
    };
    incumbent.idle_while(claim).await?;
    Ok(())
}

async fn case_30_a_live_binary_keeps_its_id(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    expect_refused(&relay, &mut binary).await?;
    phone.send("1").await?;
    binary.expect_frame(&conn_id, "1").await?;
    binary.send_to(&conn_id, "2").await?;
    phone.expect_text("2").await
}

async fn case_30_a_binary_that_only_sends_is_alive(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    let mut claimant = RawPeer::upgrade(relay.addr(), &Request::binary("s")).await?;
    let ping = binary.next().await?.into_frame()?;
    ensure!(
        ping.opcode == opcode::PING,
        "a probe expected, got {ping:?}"
    );
    // No pong, but a sign of life.
    binary
        .send_text(&format!(r#"{{"conn_id":"{conn_id}","frame":1}}"#))
        .await?;
    claimant.expect_close(CLAIMED.0, CLAIMED.1).await?;
    phone.expect_text("1").await
}

async fn case_31_a_binary_that_does_not_answer_is_replaced(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut silent = relay.raw_binary("s").await?;
    let (mut phone, _) = relay.raw_phone("s").await?;
    let mark = relay.log().mark();
    let mut claimant = relay.binary("s").await?;
    relay
        .log()
        .event(mark, "server_id_takeover", &[("server_id", "s")])
        .await?;
    phone.expect_close(EVICTED.0, EVICTED.1).await?;

    let ping = silent.next().await?.into_frame()?;
    let counter: u32 = std::str::from_utf8(&ping.payload)?.parse()?;
    ensure!(ping.opcode == opcode::PING && counter == 1, "{ping:?}");
    silent.expect_close(1011, "heartbeat timeout").await?;

    let (mut phone, conn_id) = relay.phone("s").await?;
    phone.send("1").await?;
    claimant.expect_frame(&conn_id, "1").await
}

async fn case_32_of_two_claimants_one_replaces_a_dead_binary(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let _silent = relay.raw_binary("s").await?;
    let mark = relay.log().mark();
    let request = Request::binary("s");
    let mut first = RawPeer::upgrade(relay.addr(), &request).await?;
    let mut second = RawPeer::upgrade(relay.addr(), &request).await?;
    let (refused, winner) = tokio::select! {
        frame = first.frame() => (frame?, &mut second),
        frame = second.frame() => (frame?, &mut first),
    };
    ensure!(
        refused == Frame::close(CLAIMED.0, CLAIMED.1).unmasked(),
        "{refused:?}"
    );
    relay
        .log()
        .event(mark, "server_claimed", &[("server_id", "s")])
        .await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    phone.send("1").await?;
    let text = winner.text().await?;
    ensure!(
        text == format!(r#"{{"conn_id":"{conn_id}","frame":1}}"#),
        "{text}"
    );
    Ok(())
}

async fn case_33_a_stalled_phone_does_not_make_its_binary_look_dead(
    stage: &Stage,
) -> anyhow::Result<()> {
    const BACKLOG_FRAMES: usize = 64;
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let (_stalled, conn_id) = relay.narrow_phone("s").await?;
    let frame = super::json_string(64 * 1024);
    for _ in 0..BACKLOG_FRAMES {
        binary.send_to(&conn_id, &frame).await?;
    }
    expect_refused(&relay, &mut binary).await
}

async fn case_34_a_reclaim_sends_the_old_phones_away(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let binary = relay.binary("s").await?;
    let (mut phone, _) = relay.phone("s").await?;
    binary.close(1000, "").await?;
    until(async || Ok(relay.connected().await? == (0, 1))).await?;
    let mut successor = relay.binary("s").await?;
    phone.expect_close(EVICTED.0, EVICTED.1).await?;
    let (mut phone, conn_id) = relay.phone("s").await?;
    phone.send("1").await?;
    // The first thing it hears: no notice about a phone it never had.
    successor.expect_frame(&conn_id, "1").await?;
    ensure!(relay.connected().await? == (1, 1));
    Ok(())
}

async fn case_35_a_phone_that_speaks_to_a_gone_binary_is_closed(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    relay.binary("s").await?.close(1000, "").await?;
    until(async || Ok(relay.connected().await?.0 == 0)).await?;
    let mark = relay.log().mark();
    let (mut phone, conn_id) = relay.phone("s").await?;
    phone.send("1").await?;
    phone.expect_close(1000, "").await?;
    relay
        .log()
        .event(
            mark,
            "phone_close_notice_send_failed",
            &[("conn_id", conn_id.as_str())],
        )
        .await?;
    Ok(())
}
