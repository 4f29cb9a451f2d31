//! Cases 51, 52 and every other moment a stop can come at.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{bail, ensure};
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Scenario, json_string, until};
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::peer::Peer;
use crate::e2e::raw::{RawPeer, Received};
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_51_sigterm_closes_both_legs_1001_and_exits_0),
    scenario!(case_51_sigint_is_the_same),
    scenario!(case_51_a_peer_that_ignores_the_close_costs_five_seconds),
    scenario!(case_52_a_second_signal_cuts_within_a_second),
    scenario!(drain_of_an_idle_relay_is_immediate),
    scenario!(drain_in_the_middle_of_an_upgrade),
    scenario!(drain_closes_a_claimant_that_waits_for_a_probe),
    scenario!(o62_drain_of_a_peer_that_never_reads_keeps_the_deadline),
    scenario!(drain_delivers_what_was_accepted_to_a_phone_that_was_stalled),
    scenario!(drain_delivers_what_was_accepted_to_a_binary_that_was_stalled),
    scenario!(drain_notices_every_phone_before_it_closes_the_binary),
];

const SHUTTING_DOWN: (u16, &str) = (1001, "shutting down");

/// The default `--drain-deadline`.
const DEADLINE: Duration = Duration::from_secs(10);

/// Responsive peers: no part of the drain waits for a timer.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What a socket holds of what its peer does not read: the largest send buffer Linux grows to by itself (`tcp_wmem`).
const KERNEL_TAKES: usize = 4 * 1024 * 1024;

/// Sends the signal and waits until the relay has taken note.
async fn begin(relay: &Relay, signal: Signal) -> anyhow::Result<()> {
    let mark = relay.log().mark();
    relay.signal(signal)?;
    relay
        .log()
        .event(mark, "shutdown signal received; draining", &[])
        .await?;
    Ok(())
}

async fn expect_unreachable(relay: &Relay) -> anyhow::Result<()> {
    match TcpStream::connect(relay.addr()).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => bail!("the listener is still there: {other:?}"),
    }
}

async fn expect_drained_by(stage: &Stage, signal: Signal) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    begin(&relay, signal).await?;
    phone.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await?;
    let notice = binary.text().await?;
    ensure!(
        notice == format!(r#"{{"conn_id":"{conn_id}","close_code":1001}}"#),
        "{notice}"
    );
    binary
        .expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)
        .await?;
    relay.exits_cleanly_within(AT_ONCE).await?;
    ensure!(relay.log().count("shutdown complete") == 1, "no summary");
    expect_unreachable(&relay).await
}

async fn case_51_sigterm_closes_both_legs_1001_and_exits_0(stage: &Stage) -> anyhow::Result<()> {
    expect_drained_by(stage, Signal::TERM).await
}

async fn case_51_sigint_is_the_same(stage: &Stage) -> anyhow::Result<()> {
    expect_drained_by(stage, Signal::INT).await
}

async fn case_51_a_peer_that_ignores_the_close_costs_five_seconds(
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, _) = relay.raw_phone("s").await?;
    begin(&relay, Signal::TERM).await?;
    let closed = phone.close_frame().await?;
    ensure!(
        closed == (Some(SHUTTING_DOWN.0), SHUTTING_DOWN.1.to_owned()),
        "{closed:?}"
    );
    // Long before the process ends nobody can come in any more.
    until(async || Ok(expect_unreachable(&relay).await.is_ok())).await?;
    binary.text().await?;
    binary
        .expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)
        .await?;
    relay
        .exits_cleanly_within(Duration::from_millis(10_400))
        .await
}

async fn case_52_a_second_signal_cuts_within_a_second(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let _binary = relay.raw_binary("s").await?;
    let (_phone, _) = relay.raw_phone("s").await?;
    begin(&relay, Signal::TERM).await?;
    // Neither peer answers its close: without a second signal this lasts five seconds.
    relay.signal(Signal::TERM)?;
    relay.exits_cleanly_within(Duration::from_secs(1)).await?;
    expect_unreachable(&relay).await
}

async fn drain_of_an_idle_relay_is_immediate(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    begin(&relay, Signal::TERM).await?;
    relay.exits_cleanly_within(AT_ONCE).await?;
    expect_unreachable(&relay).await
}

async fn drain_in_the_middle_of_an_upgrade(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    // So that a phone that gets through would be registered.
    let mut binary = relay.raw_binary("s").await?;
    let request = Request::phone("s").bytes();
    let (first, second) = request.split_at(request.len() / 2);
    let mut finished_late = RawPeer::dial(relay.addr()).await?;
    finished_late.send_bytes(first).await?;
    let mut never_finished = RawPeer::dial(relay.addr()).await?;
    never_finished.send_bytes(first).await?;
    // An answer on a third connection: the relay has accepted the two before it.
    relay.get("/readyz").await?.expect(200)?;

    let mark = relay.log().mark();
    begin(&relay, Signal::TERM).await?;
    // Once a leg is closed nothing new can register: the rest comes too late for a 101.
    // A peer that is told at all is told 503.
    binary
        .expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)
        .await?;
    let answered = match finished_late.send_bytes(second).await {
        Ok(()) => finished_late.response().await,
        Err(error) => Err(error),
    };
    if let Ok(response) = answered {
        response.expect(503)?;
    }
    let end = never_finished.next().await?;
    ensure!(end == Received::Eof || end == Received::Reset, "{end:?}");
    relay.exits_cleanly_within(AT_ONCE).await?;
    let registered = relay.log().event(mark, "phone_registered", &[]).await;
    ensure!(
        registered.is_err(),
        "registered while draining: {registered:?}"
    );
    Ok(())
}

async fn drain_closes_a_claimant_that_waits_for_a_probe(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let mut silent = relay.raw_binary("s").await?;
    let mut claimant = RawPeer::upgrade(relay.addr(), &Request::binary("s")).await?;
    let ping = silent.next().await?.into_frame()?;
    ensure!(
        ping.opcode == opcode::PING,
        "a probe expected, got {ping:?}"
    );
    begin(&relay, Signal::TERM).await?;
    claimant
        .expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)
        .await?;
    silent
        .expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)
        .await?;
    relay.exits_cleanly_within(AT_ONCE).await
}

/// Numbered frames to a phone, all of them read and accepted by the relay when this returns.
async fn send_accepted(
    binary: &mut RawPeer,
    conn_id: &str,
    count: usize,
    length: usize,
) -> anyhow::Result<()> {
    for number in 0..count {
        let padding = json_string(length);
        binary
            .send_text(&format!(
                r#"{{"conn_id":"{conn_id}","frame":[{number},{padding}]}}"#
            ))
            .await?;
    }
    binary.settle().await
}

async fn o62_drain_of_a_peer_that_never_reads_keeps_the_deadline(
    stage: &Stage,
) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (_deaf, conn_id) = relay.narrow_phone("s").await?;
    send_accepted(&mut binary, &conn_id, 128, 64 * 1024).await?;
    begin(&relay, Signal::TERM).await?;
    let (closed, exited) = tokio::join!(
        async {
            binary.text().await?;
            binary.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
        },
        relay.exits_cleanly_within(DEADLINE + Duration::from_secs(1)),
    );
    exited?;
    closed
}

async fn drain_delivers_what_was_accepted_to_a_phone_that_was_stalled(
    stage: &Stage,
) -> anyhow::Result<()> {
    const LENGTH: usize = 32 * 1024;
    /// Twice what the kernel takes, so that half of it waits in the relay.
    const FRAMES: usize = 2 * KERNEL_TAKES / LENGTH;
    let mut relay = stage.relay().await?;
    let mut binary = relay.raw_binary("s").await?;
    let (mut phone, conn_id) = relay.narrow_phone("s").await?;
    send_accepted(&mut binary, &conn_id, FRAMES, LENGTH).await?;
    begin(&relay, Signal::TERM).await?;
    let phone_reads = async {
        for number in 0..FRAMES {
            let text = phone.text().await?;
            ensure!(
                text == format!("[{number},{}]", json_string(LENGTH)),
                "frame {number} expected, got {text:.40}"
            );
        }
        phone.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
    };
    let binary_reads = async {
        let notice = binary.text().await?;
        ensure!(
            notice == format!(r#"{{"conn_id":"{conn_id}","close_code":1001}}"#),
            "{notice}"
        );
        binary.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
    };
    tokio::try_join!(phone_reads, binary_reads)?;
    relay.exits_cleanly_within(AT_ONCE).await
}

async fn drain_delivers_what_was_accepted_to_a_binary_that_was_stalled(
    stage: &Stage,
) -> anyhow::Result<()> {
    const LENGTH: usize = 16 * 1024;
    /// No pong for so long means that the relay has stopped reading the phone. Were it merely slow, fewer frames
    /// would be known to be accepted, and the scenario would ask for less than it could.
    const STALLED: Duration = Duration::from_millis(500);
    let mut relay = stage.relay().await?;
    let mut binary = relay.narrow_binary("s").await?;
    let (mut phone, conn_id) = relay.raw_phone("s").await?;
    let mut accepted = 0;
    loop {
        phone
            .send_text(&format!("[{accepted},{}]", json_string(LENGTH)))
            .await?;
        match timeout(STALLED, phone.settle()).await {
            Ok(settled) => settled?,
            Err(_) => break,
        }
        accepted += 1;
    }
    begin(&relay, Signal::TERM).await?;
    let binary_reads = async {
        let notice = format!(r#"{{"conn_id":"{conn_id}","close_code":1001}}"#);
        let mut received = 0;
        loop {
            let text = binary.text().await?;
            if text == notice {
                break;
            }
            let expected = format!(
                r#"{{"conn_id":"{conn_id}","frame":[{received},{}]}}"#,
                json_string(LENGTH)
            );
            ensure!(
                text == expected,
                "frame {received} expected, got {text:.80}"
            );
            received += 1;
        }
        ensure!(
            received >= accepted,
            "{received} frames arrived of {accepted} that were accepted"
        );
        binary.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).await
    };
    let phone_reads = async {
        // The last ping may still be answered, before the close.
        let mut frame = phone.frame().await?;
        if frame.opcode == opcode::PONG {
            frame = phone.frame().await?;
        }
        ensure!(
            frame == Frame::close(SHUTTING_DOWN.0, SHUTTING_DOWN.1).unmasked(),
            "{frame:?}"
        );
        phone.send(&Frame::close(SHUTTING_DOWN.0, "")).await?;
        phone.expect_eof().await
    };
    tokio::try_join!(phone_reads, binary_reads)?;
    relay.exits_cleanly_within(AT_ONCE).await
}

async fn drain_notices_every_phone_before_it_closes_the_binary(
    stage: &Stage,
) -> anyhow::Result<()> {
    const PHONES: usize = 16;
    let mut relay = stage.relay().await?;
    let mut binary = relay.binary("s").await?;
    let mut phones: Vec<(Peer, String)> = Vec::new();
    for _ in 0..PHONES {
        phones.push(relay.phone("s").await?);
    }
    begin(&relay, Signal::TERM).await?;
    let mut expected: Vec<String> = phones
        .iter()
        .map(|(_, conn_id)| format!(r#"{{"conn_id":"{conn_id}","close_code":1001}}"#))
        .collect();
    let phones_read = futures_util::future::try_join_all(
        phones
            .iter_mut()
            .map(|(phone, _)| phone.expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)),
    );
    let binary_reads = async {
        let mut notices = Vec::new();
        for _ in 0..PHONES {
            notices.push(binary.text().await?);
        }
        binary
            .expect_close(SHUTTING_DOWN.0, SHUTTING_DOWN.1)
            .await?;
        Ok(notices)
    };
    let (_, mut notices) = tokio::try_join!(phones_read, binary_reads)?;
    notices.sort_unstable();
    expected.sort_unstable();
    ensure!(notices == expected, "{notices:?}");
    relay.exits_cleanly_within(AT_ONCE).await
}
