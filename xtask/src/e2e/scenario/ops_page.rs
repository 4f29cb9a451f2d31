//! The metrics page of the built relay.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use super::{Scenario, until};
use crate::e2e::http::{Request, Response};
use crate::e2e::ports;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[scenario!(o49_o50_a_scrape_tells_what_happened)];

async fn scrape(addr: SocketAddr, path: &str) -> anyhow::Result<Response> {
    let mut peer = RawPeer::dial(addr).await?;
    peer.send_bytes(&Request::get(path).bytes()).await?;
    peer.response().await
}

async fn sample(addr: SocketAddr, series: &str) -> anyhow::Result<f64> {
    let page = String::from_utf8(scrape(addr, "/metrics").await?.body)?;
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(value.with_context(|| format!("no {series}"))?.parse()?)
}

async fn becomes(addr: SocketAddr, series: &str, value: f64) -> anyhow::Result<()> {
    until(async || Ok(sample(addr, series).await? == value)).await
}

async fn o49_o50_a_scrape_tells_what_happened(stage: &Stage) -> anyhow::Result<()> {
    let metrics = ports::free()?;
    let flag = format!("--metrics-listen={metrics}");
    let relay = stage.relay_with(&[&flag]).await?;
    let page = scrape(metrics, "/metrics").await?;
    page.expect(200)?;
    page.expect_header("content-type", "text/plain; version=0.0.4; charset=utf-8")?;
    scrape(metrics, "/healthz").await?.expect(404)?;
    relay.get("/metrics").await?.expect(404)?;
    for series in [
        "pyrycode_relay_connected_phones",
        "pyrycode_relay_grace_expiries_total",
        "pyrycode_relay_draining",
    ] {
        ensure!(sample(metrics, series).await? == 0.0, "{series}");
    }

    let binary = relay.binary("s").await?;
    let (phone, _) = relay.phone("s").await?;
    becomes(metrics, "pyrycode_relay_connected_binaries", 1.0).await?;
    becomes(metrics, "pyrycode_relay_connected_phones", 1.0).await?;
    becomes(metrics, "pyrycode_relay_connections", 2.0).await?;
    relay.get("/v1/client").await?.expect(400)?;
    let refused =
        "pyrycode_relay_ws_upgrade_attempts_total{endpoint=\"client\",outcome=\"reject_headers\"}";
    becomes(metrics, refused, 1.0).await?;
    drop(phone);
    let lost = "pyrycode_relay_closes_total{leg=\"phone\",code=\"1006\",by=\"peer\"}";
    becomes(metrics, lost, 1.0).await?;
    drop(binary);
    Ok(())
}
