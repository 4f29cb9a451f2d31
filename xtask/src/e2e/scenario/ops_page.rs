//! The metrics page of the built relay.

use std::collections::HashSet;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use super::{Scenario, until};
use crate::e2e::http::{Request, Response};
use crate::e2e::log::Fields;
use crate::e2e::ports;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;
use crate::tidy::log_keys;

pub(super) const ALL: &[Scenario] = &[
    scenario!(o49_o50_a_scrape_tells_what_happened),
    scenario!(o52_hostile_headers_forge_no_line_and_no_label),
];

async fn scrape(addr: SocketAddr, path: &str) -> anyhow::Result<Response> {
    let mut peer = RawPeer::dial(addr).await?;
    peer.send_bytes(&Request::get(path).bytes()).await?;
    peer.response().await
}

pub(super) async fn sample(addr: SocketAddr, series: &str) -> anyhow::Result<f64> {
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

/// What would end a value, a line or a record, or begin one, if it were written as it came.
const HOSTILE: [&[u8]; 6] = [
    b"x\" level=ERROR msg=forged err=\"y",
    b"x err=forged",
    b"x\terr=forged",
    b"x%0Atime=0 msg=forged err=forged",
    b"x\\\" err=forged \\",
    // Line ends of other alphabets, and what is no text at all.
    b"x\xc2\x85\xe2\x80\xa8err=forged\xff",
];

async fn o52_hostile_headers_forge_no_line_and_no_label(stage: &Stage) -> anyhow::Result<()> {
    for format in ["logfmt", "json"] {
        let metrics = ports::free()?;
        let flags = [
            format!("--log-format={format}"),
            format!("--metrics-listen={metrics}"),
            "--trust-x-forwarded-for".to_owned(),
            "--rate-limit-per-minute=1".to_owned(),
            "--rate-limit-burst=3".to_owned(),
        ];
        let flags = flags.each_ref().map(String::as_str);
        let relay = stage.relay_with(&flags).await?;
        for hostile in HOSTILE {
            let said = |request: Request, names: &[&str]| {
                names.iter().fold(request, |request, name| {
                    request.without(name).with_bytes(name, hostile)
                })
            };
            let names = ["X-Pyrycode-Server", "X-Pyrycode-Version", "X-Forwarded-For"];
            let mark = relay.log().mark();
            let binary = said(Request::binary("s"), &names);
            let _binary = RawPeer::upgrade(relay.addr(), &binary).await?;
            relay.log().event(mark, "server_claimed", &[]).await?;
            let names = [
                "X-Pyrycode-Server",
                "X-Pyrycode-Device-Name",
                "X-Forwarded-For",
            ];
            let phone = said(Request::phone("s"), &names);
            let _phone = RawPeer::upgrade(relay.addr(), &phone).await?;
            relay.log().event(mark, "phone_registered", &[]).await?;
            let nobody = said(
                Request::phone("s"),
                &["X-Forwarded-For", "X-Pyrycode-Device-Name"],
            );
            let mut nobody = RawPeer::upgrade(relay.addr(), &nobody).await?;
            nobody.expect_close_code(4404).await?;
            relay.request(&phone).await?.expect(429)?;
            relay.log().event(mark, "rate_limited", &[]).await?;
        }
        for line in relay.log().lines() {
            let fields = Fields::of(&line);
            let always = ["time", "level", "msg"];
            ensure!(fields.keys().take(3).eq(always), "not one record: {line}");
            let is_known = |key: &str| always.contains(&key) || log_keys::KEYS.contains(&key);
            ensure!(fields.keys().all(is_known), "not one record: {line}");
            let mut once = HashSet::new();
            ensure!(fields.keys().all(|key| once.insert(key)), "forged: {line}");
            ensure!(fields.get("err") != Some("forged"), "forged: {line}");
            ensure!(!line.contains(char::is_control), "unreadable: {line}");
        }
        let page = String::from_utf8(scrape(metrics, "/metrics").await?.body)?;
        ensure!(page.contains("outcome=\"reject_rate_limit\"} 6"), "{page}");
        ensure!(!page.contains("forged"), "{page}");
    }
    Ok(())
}
