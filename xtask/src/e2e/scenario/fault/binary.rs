//! Faults on a binary's connection: they hurt its own server-id, its phones are told, and a successor gets in.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Scenario;
use super::household::{Daemon, Household};
use super::watched::Watched;
use crate::e2e::fault::{Fault, Link, Plan, Proxy};
use crate::e2e::frame::Frame;
use crate::e2e::http::Request;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::scenario::json_string;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(a_binary_lost_at_any_byte_is_succeeded_at_once),
    scenario!(a_binary_that_vanished_or_stalls_is_taken_over),
    scenario!(a_slow_binary_keeps_its_id),
];

const EVICTED: (u16, &str) = (4404, "binary reclaimed server-id");
const CLAIMED: (u16, &str) = (4409, "server-id already claimed");

/// A successor claims, the phone of the old binary is sent away, and a new one is served.
async fn expect_succession(
    relay: &Relay,
    server_id: &str,
    phone: &mut RawPeer,
) -> anyhow::Result<()> {
    let mark = relay.log().mark();
    let claimed = [("server_id", server_id)];
    let daemon = RawPeer::upgrade(relay.addr(), &Request::binary(server_id)).await?;
    let daemon = Daemon::new(daemon);
    relay.log().event(mark, "server_claimed", &claimed).await?;
    phone.expect_close(EVICTED.0, EVICTED.1).await?;
    let (mut phone, conn_id) = relay.raw_phone(server_id).await?;
    phone.send_text("1").await?;
    ensure!(phone.text().await? == "1");
    drop(phone);
    daemon.farewell(&conn_id).await?;
    daemon.leave().await
}

async fn a_binary_lost_at_any_byte_is_succeeded_at_once(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut others = Household::new(&relay, "others").await?;
    let mut proxy = Proxy::before(&relay).await?;
    for at in [0, 1, 3, 6, 8, 60, 150] {
        for end in [Fault::Reset, Fault::End] {
            let what = || format!("{end:?} at {at}");
            let (mut daemon, link) = proxy.binary(&relay, "s").await?;
            let (mut phone, conn_id) = relay.raw_phone("s").await?;
            let frame = format!(r#"{{"conn_id":"{conn_id}","frame":{}}}"#, json_string(100));
            let mark = relay.log().mark();
            link.to_relay.set(Plan::pass_then(at, end)).await;
            // An error is the end that was planned.
            let _ = daemon.send(&Frame::text(frame)).await;
            relay
                .log()
                .event(mark, "server_released", &[("server_id", "s")])
                .await
                .with_context(what)?;
            // Of the frame that was cut the phone has read nothing.
            expect_succession(&relay, "s", &mut phone)
                .await
                .with_context(what)?;
        }
    }
    ensure!(relay.log().count("server_id_takeover") == 0, "a probe");
    others.goes_on(10).await?;
    others.expect_undisturbed().await?;
    relay.expect_as_before().await
}

async fn a_binary_that_vanished_or_stalls_is_taken_over(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut others = Household::new(&relay, "others").await?;
    let mut proxy = Proxy::narrow(&relay).await?;

    let vanished = {
        let (daemon, link) = proxy.binary(&relay, "vanished").await?;
        let (phone, _) = relay.raw_phone("vanished").await?;
        link.set(Fault::Discard).await;
        drop(daemon);
        (phone, link)
    };
    let stalled = {
        let (daemon, link) = proxy.binary(&relay, "stalled").await?;
        let (mut phone, _) = relay.raw_phone("stalled").await?;
        link.set(Fault::Freeze).await;
        // In the middle of an envelope that the probe's ping would have to wait for, if it were not lost anyway.
        phone.send_text(&json_string(250 * 1024)).await?;
        phone.settle().await?;
        (phone, link, daemon)
    };
    let (mut vanished_phone, _vanished_link) = vanished;
    let (mut stalled_phone, _stalled_link, _stalled_daemon) = stalled;
    tokio::try_join!(
        expect_succession(&relay, "vanished", &mut vanished_phone),
        expect_succession(&relay, "stalled", &mut stalled_phone),
    )?;
    ensure!(relay.log().count("server_id_takeover") == 2, "no takeover");
    others.goes_on(10).await?;
    others.expect_undisturbed().await?;
    // The two that were displaced are given up while their networks still say nothing.
    relay.expect_as_before().await
}

async fn a_slow_binary_keeps_its_id(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut proxy = Proxy::narrow(&relay).await?;
    for (server_id, fault) in [
        ("delayed", Fault::Delay(Duration::from_millis(300))),
        (
            "dribbled",
            Fault::Dribble {
                bytes: 1,
                every: Duration::from_millis(2),
            },
        ),
    ] {
        expect_kept(&relay, &mut proxy, server_id, fault)
            .await
            .context(server_id)?;
    }
    ensure!(relay.log().count("server_id_takeover") == 0, "a takeover");
    relay.expect_as_before().await
}

async fn expect_kept(
    relay: &Relay,
    proxy: &mut Proxy,
    server_id: &str,
    fault: Fault,
) -> anyhow::Result<()> {
    let (daemon, link): (RawPeer, Link) = proxy.binary(relay, server_id).await?;
    link.set(fault).await;
    let daemon = Daemon::new(daemon);
    let (mut phone, conn_id) = relay.raw_phone(server_id).await?;
    let mut claimant = RawPeer::upgrade(relay.addr(), &Request::binary(server_id)).await?;
    let frames: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for frame in &frames {
        phone.send_text(frame).await?;
    }
    claimant.expect_close(CLAIMED.0, CLAIMED.1).await?;
    for frame in &frames {
        let echo = phone.text().await?;
        ensure!(echo == *frame, "{frame} expected, got {echo}");
    }
    drop(phone);
    let session = daemon.farewell(&conn_id).await?;
    ensure!(session.frames == frames, "{session:?}");
    link.set(Fault::Pass).await;
    daemon.leave().await
}
