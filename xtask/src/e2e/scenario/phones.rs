//! Cases 28, 29: sixteen phones and no more.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;

use super::{Scenario, until};
use crate::e2e::frame::Frame;
use crate::e2e::http::Request;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_28_the_seventeenth_phone_is_4429),
    scenario!(case_29_of_ten_that_race_for_the_last_place_one_gets_it),
];

const MAX_PHONES: usize = 16;

async fn case_28_the_seventeenth_phone_is_4429(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let _other = relay.binary("other").await?;
    let mut phones = Vec::new();
    for _ in 0..MAX_PHONES {
        phones.push(relay.phone("s").await?);
    }
    let mark = relay.log().mark();
    let mut refused = RawPeer::upgrade(relay.addr(), &Request::phone("s")).await?;
    refused
        .expect_close(4429, "too many phones for server-id")
        .await?;
    relay
        .log()
        .event(mark, "phone_register_at_cap", &[("server_id", "s")])
        .await?;
    relay.phone("other").await?;

    // All sixteen are still there, and the binary never heard of the seventeenth.
    for (phone, conn_id) in &mut phones {
        phone.send("1").await?;
        binary.expect_frame(conn_id, "1").await?;
        binary.send_to(conn_id, "2").await?;
        phone.expect_text("2").await?;
    }
    let (leaving, conn_id) = phones.pop().context("sixteen phones")?;
    leaving.close(1000, "").await?;
    binary.expect_notice(&conn_id, 1000).await?;
    until(async || Ok(relay.connected().await?.1 == MAX_PHONES as u64 - 1)).await?;
    relay.phone("s").await?;
    Ok(())
}

async fn case_29_of_ten_that_race_for_the_last_place_one_gets_it(
    stage: &Stage,
) -> anyhow::Result<()> {
    const RACING: usize = 10;
    let relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let mut seated = Vec::new();
    for _ in 1..MAX_PHONES {
        seated.push(relay.phone("s").await?);
    }
    let before: BTreeSet<&str> = seated.iter().map(|(_, conn_id)| conn_id.as_str()).collect();
    let request = Request::phone("s");
    let mut racing =
        try_join_all((0..RACING).map(|_| RawPeer::upgrade(relay.addr(), &request))).await?;

    // Whoever got the place speaks; the others are told that there is none.
    try_join_all(racing.iter_mut().map(|phone| phone.send_text("1"))).await?;
    let envelope = binary.text().await?;
    let winner = envelope
        .split('"')
        .nth(3)
        .context("an envelope")?
        .to_owned();
    ensure!(
        !before.contains(winner.as_str()),
        "{winner} was there before"
    );
    binary
        .send_text(&format!(r#"{{"conn_id":"{winner}","frame":2}}"#))
        .await?;

    let mut seats = 0;
    for mut phone in racing {
        let frame = phone.frame().await?;
        if frame == Frame::text("2").unmasked() {
            seats += 1;
        } else {
            let refused = Frame::close(4429, "too many phones for server-id").unmasked();
            ensure!(frame == refused, "{frame:?}");
        }
    }
    ensure!(seats == 1, "{seats} of {RACING} got the last place");
    Ok(())
}
