//! The limits as an address that asks too much meets them.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::Scenario;
use crate::clock::Stopwatch;
use crate::e2e::http::Request;
use crate::e2e::log::Fields;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(o35_o38_the_21st_request_is_429_and_says_when_to_return),
    scenario!(o38_a_flood_of_refusals_is_not_a_flood_of_lines),
    scenario!(o42_at_the_cap_both_paths_are_503_and_told_of),
    scenario!(o44_when_grace_has_ended_both_slots_are_free).within(Duration::from_secs(60)),
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
    event.expect_keys(&["remote"])?;
    let lines = relay.log().lines();
    let told = r#" level=WARN msg=rate_limited remote="\"127.0.0.1\"""#;
    ensure!(lines.iter().filter(|line| line.ends_with(told)).count() == 1);
    ensure!(lines.iter().all(|line| !line.contains("a-device-token")));
    relay.get("/healthz").await?.expect(200)
}

async fn o38_a_flood_of_refusals_is_not_a_flood_of_lines(stage: &Stage) -> anyhow::Result<()> {
    let flags = ["--rate-limit-per-minute=1", "--rate-limit-burst=1"];
    let relay = stage.relay_with(&flags).await?;
    // Paced, or the flood would run out of ports before lines are counted anew.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut refused = 0;
    let lines = loop {
        pace.tick().await;
        refused += u64::from(relay.get("/v1/server").await?.status == 429);
        let lines = relay.log().lines();
        if lines.iter().any(|line| is_sum(line)) {
            break lines;
        }
    };
    // The relay's pipe is read behind its answers: lines of a new window may follow the sum.
    let sum = lines.iter().position(|line| is_sum(line)).context("sum")?;
    let summed = Fields::of(&lines[sum]);
    summed.expect_keys(&["remote", "suppressed"])?;
    let suppressed: u64 = summed.get("suppressed").context("suppressed")?.parse()?;
    let before = lines[..sum].iter();
    let told = before
        .filter(|line| Fields::of(line).get("msg") == Some("rate_limited"))
        .count();
    ensure!(
        told == 10 && suppressed + 11 <= refused,
        "{told} lines, then {suppressed} of {refused}"
    );
    Ok(())
}

fn is_sum(line: &str) -> bool {
    Fields::of(line).get("suppressed").is_some()
}

/// Asks until there is a slot: a peer sees the end of its connection before the relay is through with it.
async fn admitted(relay: &Relay, request: &Request) -> anyhow::Result<RawPeer> {
    loop {
        let mut peer = RawPeer::dial(relay.addr()).await?;
        peer.send_bytes(&request.bytes()).await?;
        match peer.response().await?.status {
            101 => return Ok(peer),
            503 => tokio::task::yield_now().await,
            status => bail!("101 or 503 expected, got {status}"),
        }
    }
}

async fn o42_at_the_cap_both_paths_are_503_and_told_of(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--max-connections=2"]).await?;
    let _binary = relay.binary("s").await?;
    let (phone, _) = relay.phone("s").await?;
    for request in [
        Request::binary("t"),
        Request::phone("s"),
        Request::get("/v1/server"),
        Request::get("/v1/client"),
    ] {
        let mark = relay.log().mark();
        relay.request(&request).await?.expect(503)?;
        let event = relay.log().event(mark, "conn_cap_reached", &[]).await?;
        event.expect_keys(&["path", "remote"])?;
        ensure!(event.get("level") == Some("WARN"), "{event:?}");
        ensure!(event.get("path") == Some(request.target()), "{event:?}");
        ensure!(event.get("remote") == Some("127.0.0.1"), "{event:?}");
    }
    ensure!(relay.log().count("conn_cap_reached") == 4);
    relay.get("/healthz").await?.expect(200)?;
    phone.close(1000, "").await?;
    let mark = relay.log().mark();
    let _phone = admitted(&relay, &Request::phone("s")).await?;
    relay.log().event(mark, "phone_registered", &[]).await?;
    Ok(())
}

async fn o44_when_grace_has_ended_both_slots_are_free(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--max-connections=2"]).await?;
    let binary = relay.binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    relay.request(&Request::binary("t")).await?.expect(503)?;
    let mark = relay.log().mark();
    let left = Stopwatch::start();
    binary.close(1000, "").await?;
    phone.expect_close(1000, "").await?;
    let grace = left.elapsed();
    ensure!(grace >= Duration::from_secs(30), "grace was {grace:?}");
    let gone = [("server_id", "s"), ("conn_id", conn_id.as_str())];
    relay.log().event(mark, "phone_unregistered", &gone).await?;

    let mark = relay.log().mark();
    let _binary = admitted(&relay, &Request::binary("t")).await?;
    relay.log().event(mark, "server_claimed", &[]).await?;
    let _phone = admitted(&relay, &Request::phone("t")).await?;
    relay.log().event(mark, "phone_registered", &[]).await?;
    Ok(())
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
