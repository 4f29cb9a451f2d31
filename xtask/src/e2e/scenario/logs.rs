//! Case 53: what the relay says about its peers, and what it never says.

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::Scenario;
use crate::e2e::frame::{Frame, opcode};
use crate::e2e::http::Request;
use crate::e2e::log::Fields;
use crate::e2e::peer::Peer;
use crate::e2e::raw::RawPeer;
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;
use crate::tidy::log_keys;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_53_logfmt_lines_hold_known_keys_and_no_secret),
    scenario!(case_53_json_lines_hold_known_keys_and_no_secret),
    scenario!(case_53_no_level_of_detail_shows_a_secret),
    scenario!(header_values_cannot_forge_log_lines),
];

/// Planted wherever the relay sees something that is not its business.
const SECRETS: [&str; 6] = [
    "planted-token",
    "planted-agent",
    "planted-payload",
    "planted-push-token",
    "planted-reason",
    "planted-envelope",
];

/// Some of everything that is logged, with a secret in each place that may hold one.
async fn provoke(relay: &Relay) -> anyhow::Result<()> {
    let secretive = |request: Request| {
        request
            .replacing("X-Pyrycode-Token", "planted-token")
            .replacing("User-Agent", "planted-agent")
            .with("X-Other", "planted-payload")
    };
    let mut unserved = Peer::upgrade(relay.addr(), &secretive(Request::phone("nobody"))).await?;
    unserved
        .expect_close(4404, "no server with that id")
        .await?;

    let mark = relay.log().mark();
    let mut binary = RawPeer::upgrade(relay.addr(), &secretive(Request::binary("s"))).await?;
    relay.log().event(mark, "server_claimed", &[]).await?;
    let claim = async {
        let mut claimant = RawPeer::upgrade(relay.addr(), &secretive(Request::binary("s"))).await?;
        claimant
            .expect_close(4409, "server-id already claimed")
            .await
    };
    binary.idle_while(claim).await?;

    for payload in ["\"planted-payload\"", "planted-payload"] {
        let mark = relay.log().mark();
        let mut phone = RawPeer::upgrade(relay.addr(), &secretive(Request::phone("s"))).await?;
        let registered = relay.log().event(mark, "phone_registered", &[]).await?;
        let conn_id = registered.get("conn_id").context("a conn_id")?;
        phone.send_text(payload).await?;
        binary
            .send_text(&format!(
                r#"{{"conn_id":"{conn_id}","frame":"planted-payload"}}"#
            ))
            .await?;
        phone.send(&Frame::close(4000, "planted-reason")).await?;
        // The echo, or the 1000 of a bad frame, behind the frame that came back.
        while phone.frame().await?.opcode != opcode::CLOSE {}
        phone.expect_eof().await?;
        relay
            .log()
            .event(mark, "phone_unregistered", &[("conn_id", conn_id)])
            .await?;
    }
    for envelope in [
        "planted-envelope",
        r#"{"planted-envelope":1}"#,
        r#"{"conn_id":"nobody","frame":"planted-payload"}"#,
        r#"{"conn_id":{"planted-envelope":1},"frame":1}"#,
        r#"{"push_wake":{"platform":"fcm","token":"planted-push-token"}}"#,
        r#"{"push_wake":"planted-push-token"}"#,
        r#"{"conn_id":"x","frame":1,"close_code":"planted-envelope"}"#,
    ] {
        binary.send_text(envelope).await?;
    }
    binary
        .read_while(
            relay
                .log()
                .event(mark, "binary_forwarder_push_wake_dropped", &[]),
        )
        .await?;
    relay
        .request(&secretive(Request::phone("s")).without("X-Pyrycode-Server"))
        .await?
        .expect(400)?;
    binary.send(&Frame::close(4000, "planted-reason")).await?;
    while binary.frame().await?.opcode != opcode::CLOSE {}
    binary.expect_eof().await?;
    relay.log().event(mark, "server_released", &[]).await?;
    Ok(())
}

fn expect_no_secret(relay: &Relay) -> anyhow::Result<()> {
    for line in relay.log().lines() {
        for secret in SECRETS {
            ensure!(!line.contains(secret), "a secret in: {line}");
        }
    }
    Ok(())
}

async fn expect_closed_keys(
    stage: &Stage,
    flags: &[&str],
    read: fn(&str) -> bool,
) -> anyhow::Result<()> {
    let mut relay = stage.relay_with(flags).await?;
    provoke(&relay).await?;
    relay.signal(Signal::TERM)?;
    relay.exit().await?;
    expect_no_secret(&relay)?;
    for line in relay.log().lines() {
        ensure!(read(&line), "another format: {line}");
        let fields = Fields::of(&line);
        let always = ["time", "level", "msg"];
        ensure!(
            always.iter().all(|key| fields.get(key).is_some()),
            "no time, level or message in: {line}"
        );
        ensure!(
            matches!(fields.get("level"), Some("INFO" | "WARN" | "ERROR")),
            "an unknown level in: {line}"
        );
        let unknown = fields
            .keys()
            .find(|key| !always.contains(key) && !log_keys::KEYS.contains(key));
        ensure!(
            unknown.is_none(),
            "the key {unknown:?} is not in the closed set: {line}"
        );
    }
    Ok(())
}

async fn case_53_logfmt_lines_hold_known_keys_and_no_secret(stage: &Stage) -> anyhow::Result<()> {
    expect_closed_keys(stage, &[], |line| line.starts_with("time=")).await
}

async fn case_53_json_lines_hold_known_keys_and_no_secret(stage: &Stage) -> anyhow::Result<()> {
    expect_closed_keys(stage, &["--log-format", "json"], |line| {
        line.starts_with('{') && line.ends_with('}')
    })
    .await
}

async fn case_53_no_level_of_detail_shows_a_secret(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.verbose_relay().await?;
    provoke(&relay).await?;
    expect_no_secret(&relay)
}

async fn header_values_cannot_forge_log_lines(stage: &Stage) -> anyhow::Result<()> {
    const HOSTILE: &str = r#"x" level=ERROR msg=forged err="y"#;
    let relay = stage.relay().await?;
    let mark = relay.log().mark();
    let request = Request::binary("s")
        .replacing("X-Pyrycode-Server", HOSTILE)
        .replacing("X-Pyrycode-Version", "1 err=forged");
    let _binary = RawPeer::upgrade(relay.addr(), &request).await?;
    let claimed = relay
        .log()
        .event(
            mark,
            "server_claimed",
            &[("server_id", HOSTILE), ("binary_version", "1 err=forged")],
        )
        .await?;
    ensure!(claimed.get("err").is_none(), "{claimed:?}");

    // What has no bound at the peer's end has one in the log.
    let mark = relay.log().mark();
    let long = "x".repeat(8_000);
    let _binary = RawPeer::upgrade(relay.addr(), &Request::binary(&long)).await?;
    let claimed = relay.log().event(mark, "server_claimed", &[]).await?;
    let logged = claimed.get("server_id").context("a server_id")?.len();
    ensure!(logged < 300, "{logged} bytes of a server-id were logged");
    Ok(())
}
