//! Faults on a phone's connection: its siblings and its binary's other traffic go on as if nothing were.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Scenario;
use super::household::Household;
use super::watched::Watched;
use crate::e2e::fault::{Fault, Plan, Proxy};
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::raw::RawPeer;
use crate::e2e::scenario::json_string;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(a_phone_lost_at_any_byte_is_gone_at_once),
    scenario!(a_request_lost_at_any_byte_leaves_nothing),
    scenario!(dribbled_heads_and_frames_arrive_intact),
    scenario!(a_faulted_phone_is_felt_by_nobody_and_heals_without_a_loss),
    scenario!(a_half_open_phone_is_felt_by_nobody),
];

const LOST: u16 = 1001;

const ENDS: [Fault; 2] = [Fault::Reset, Fault::End];

/// Sends on a connection that ends somewhere in the bytes, be it in front of them.
async fn send_into(peer: &mut RawPeer, bytes: &[u8]) {
    // An error is the end that was planned.
    let _ = peer.send_bytes(bytes).await;
}

async fn a_phone_lost_at_any_byte_is_gone_at_once(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut household = Household::new(&relay, "s").await?;
    let mut proxy = Proxy::before(&relay).await?;
    let frame = json_string(200);
    let whole = Frame::text(frame.as_str()).bytes();
    let (first, second) = frame.split_at(100);
    let fragments = [
        Frame::text(first).unfinished().bytes(),
        Frame::new(opcode::CONTINUATION, second).bytes(),
    ];
    let between = fragments[0].len();
    let fragments = fragments.concat();
    // Two bytes of head, two of length, four of mask, then the payload.
    let places = [0, 1, 2, 3, 6, 8, 100, whole.len() - 1]
        .map(|at| (&whole, at, false))
        .into_iter()
        .chain([(&whole, whole.len(), true)])
        .chain(
            [between, between + 1, between + 4, fragments.len() - 1]
                .map(|at| (&fragments, at, false)),
        )
        .chain([(&fragments, fragments.len(), true)]);
    for (bytes, at, arrives) in places {
        for end in ENDS {
            let (mut phone, conn_id, link) = proxy.phone(&relay, "s").await?;
            if arrives {
                // Nothing but the frame itself may decide whether it got through.
                phone.send_bytes(bytes).await?;
                household
                    .daemon
                    .hears(&conn_id, |session| !session.frames.is_empty())
                    .await?;
                link.to_relay.set(end).await;
            } else {
                link.to_relay.set(Plan::pass_then(at, end)).await;
                send_into(&mut phone, bytes).await;
            }
            let farewell = household.daemon.farewell(&conn_id);
            let farewell = farewell.await.with_context(|| format!("{end:?} at {at}"))?;
            ensure!(
                farewell.notice == Some(LOST),
                "{end:?} at {at}: {farewell:?}"
            );
            let expected: &[String] = if arrives {
                std::slice::from_ref(&frame)
            } else {
                &[]
            };
            ensure!(farewell.frames == expected, "{end:?} at {at}: {farewell:?}");
        }
    }
    household.goes_on(10).await?;
    household.expect_undisturbed().await?;
    relay.expect_as_before().await
}

async fn a_request_lost_at_any_byte_leaves_nothing(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut household = Household::new(&relay, "s").await?;
    let mut proxy = Proxy::before(&relay).await?;
    let registered = relay.log().count("phone_registered");
    let request = Request::phone("s").bytes();
    let mut kept = Vec::new();
    for at in [0, 1, 20, request.len() / 2, request.len() - 1] {
        for end in ENDS {
            let (mut peer, link) = proxy.dial().await?;
            link.to_relay.set(Plan::pass_then(at, end)).await;
            send_into(&mut peer, &request).await;
            kept.push((peer, link));
        }
    }
    household.goes_on(10).await?;
    household.expect_undisturbed().await?;
    relay.expect_as_before().await?;
    let since = relay.log().count("phone_registered") - registered;
    ensure!(since == 0, "{since} phones of half a request");
    Ok(())
}

/// Sends frames of many shapes, which a daemon is expected to send back.
async fn expect_echoes(phone: &mut RawPeer, lengths: &[usize]) -> anyhow::Result<()> {
    for &length in lengths {
        let frame = json_string(length);
        let (first, second) = frame.split_at(length / 2);
        for bytes in [
            Frame::text(frame.as_str()).bytes(),
            [
                Frame::text(first).unfinished().bytes(),
                Frame::ping("between").bytes(),
                Frame::new(opcode::CONTINUATION, second).bytes(),
            ]
            .concat(),
        ] {
            phone.send_bytes(&bytes).await?;
            let mut echo = phone.frame().await?;
            if echo.opcode == opcode::PONG {
                echo = phone.frame().await?;
            }
            ensure!(
                echo == Frame::text(frame.as_str()).unmasked(),
                "of {length} bytes: {echo:?}"
            );
        }
    }
    Ok(())
}

async fn dribbled_heads_and_frames_arrive_intact(stage: &Stage) -> anyhow::Result<()> {
    const EVERY: Duration = Duration::from_millis(1);
    let relay = Watched::start(stage, &[]).await?;
    let mut proxy = Proxy::before(&relay).await?;
    let mut narrow = Proxy::narrow(&relay).await?;

    // The daemon's own request comes byte by byte, and then all of its traffic in sevens.
    let mark = relay.log().mark();
    let (mut daemon, daemon_link) = proxy.dial().await?;
    let by_one = Fault::Dribble {
        bytes: 1,
        every: EVERY,
    };
    daemon_link.set(by_one).await;
    daemon.handshake(&Request::binary("s")).await?;
    relay.log().event(mark, "server_claimed", &[]).await?;
    let by_seven = Fault::Dribble {
        bytes: 7,
        every: EVERY,
    };
    daemon_link.set(by_seven).await;
    let daemon = super::household::Daemon::new(daemon);

    let (mut by_bytes, conn_id) = {
        let (request, name) = Request::named_phone("s");
        let mark = relay.log().mark();
        let (mut phone, link) = narrow.dial().await?;
        link.set(by_one).await;
        phone.handshake(&request).await?;
        let conn_id = relay.registered(mark, &name).await?;
        ((phone, link), conn_id)
    };
    expect_echoes(&mut by_bytes.0, &[2, 125, 126, 300]).await?;
    let heard = daemon.hears(&conn_id, |session| session.frames.len() == 8);
    heard.await?;

    // Over the length that needs eight bytes, in pieces that end anywhere.
    let by_many = Fault::Dribble {
        bytes: 4_099,
        every: EVERY,
    };
    daemon_link.set(by_many).await;
    by_bytes.1.set(by_many).await;
    expect_echoes(&mut by_bytes.0, &[65_535, 70_000]).await?;
    drop(by_bytes);
    daemon.farewell(&conn_id).await?;
    daemon.leave().await?;
    relay.expect_as_before().await
}

async fn a_faulted_phone_is_felt_by_nobody_and_heals_without_a_loss(
    stage: &Stage,
) -> anyhow::Result<()> {
    const FRAMES: usize = 200;
    const LENGTH: usize = 4 * 1024;
    let relay = Watched::start(stage, &[]).await?;
    let mut household = Household::new(&relay, "s").await?;
    let mut proxy = Proxy::narrow(&relay).await?;
    let a_byte = Fault::Dribble {
        bytes: 1,
        every: Duration::from_millis(1),
    };
    for fault in [
        Fault::Freeze,
        a_byte,
        Fault::Delay(Duration::from_millis(300)),
    ] {
        let (mut phone, conn_id, link) = proxy.phone(&relay, "s").await?;
        link.set(fault).await;
        for number in 0..FRAMES {
            let frame = format!("[{number},{}]", json_string(LENGTH));
            household.daemon.send_to(&conn_id, &frame).await?;
        }
        household.goes_on(100).await?;
        link.set(Fault::Pass).await;
        for number in 0..FRAMES {
            let text = phone.text().await?;
            ensure!(
                text == format!("[{number},{}]", json_string(LENGTH)),
                "{fault:?}: frame {number} expected, got {text:.40}"
            );
        }
        link.to_relay.set(Fault::Reset).await;
        household.daemon.farewell(&conn_id).await?;
    }
    household.expect_undisturbed().await?;
    relay.expect_as_before().await
}

async fn a_half_open_phone_is_felt_by_nobody(stage: &Stage) -> anyhow::Result<()> {
    let relay = Watched::start(stage, &[]).await?;
    let mut household = Household::new(&relay, "s").await?;
    let mut proxy = Proxy::before(&relay).await?;
    let (mut phone, conn_id, link) = proxy.phone(&relay, "s").await?;
    link.set(Fault::Discard).await;
    phone.send_text("1").await?;
    drop(phone);
    for number in 0..100 {
        let frame = format!("[{number}]");
        household.daemon.send_to(&conn_id, &frame).await?;
    }
    household.goes_on(100).await?;
    let (_, phones) = relay.connected().await?;
    ensure!(
        phones == 3,
        "{phones} phones: who vanished is not known to have"
    );
    // The network is back, and with it the news.
    link.to_relay.set(Fault::Pass).await;
    let farewell = household.daemon.farewell(&conn_id).await?;
    ensure!(
        farewell.notice == Some(LOST) && farewell.frames.is_empty(),
        "{farewell:?}"
    );
    household.expect_undisturbed().await?;
    relay.expect_as_before().await
}
