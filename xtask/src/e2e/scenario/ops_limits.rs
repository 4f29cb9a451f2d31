//! The limits as an address that asks too much meets them.

use anyhow::{Context as _, ensure};

use super::Scenario;
use crate::e2e::http::Request;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(o35_o38_the_21st_request_is_429_and_says_when_to_return),
    scenario!(one_address_has_its_share_of_slots),
];

async fn o35_o38_the_21st_request_is_429_and_says_when_to_return(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--rate-limit-per-minute=10"]).await?;
    for _ in 0..10 {
        relay.get("/v1/server").await?.expect(400)?;
        relay.get("/v1/client").await?.expect(400)?;
    }
    ensure!(relay.log().count("rate_limited") == 0);
    let mark = relay.log().mark();
    let answer = relay.request(&Request::phone("s")).await?;
    answer.expect(429)?;
    answer.expect_header("x-content-type-options", "nosniff")?;
    ensure!(answer.body == b"\n");
    let retry_after: u64 = answer
        .header("retry-after")
        .context("Retry-After")?
        .parse()?;
    ensure!((1..=6).contains(&retry_after), "{retry_after}");
    let event = relay.log().event(mark, "rate_limited", &[]).await?;
    ensure!(event.get("remote") == Some("\"127.0.0.1\""), "{event:?}");
    relay.get("/healthz").await?.expect(200)
}

async fn one_address_has_its_share_of_slots(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--max-connections-per-ip=1"]).await?;
    let binary = relay.binary("s").await?;
    let mark = relay.log().mark();
    let answer = relay.request(&Request::phone("s")).await?;
    answer.expect(503)?;
    answer.expect_header("retry-after", "5")?;
    let keys = [("path", "/v1/client"), ("remote", "127.0.0.1")];
    relay.log().event(mark, "conn_cap_reached", &keys).await?;
    let mark = relay.log().mark();
    binary.close(1000, "").await?;
    relay.log().event(mark, "server_released", &[]).await?;
    Ok(())
}
