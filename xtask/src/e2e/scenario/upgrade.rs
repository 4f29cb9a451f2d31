//! Cases 1 to 5, 7, 8, 10: what is answered before a WebSocket exists.

use std::time::Duration;

use anyhow::ensure;

use super::{Scenario, until};
use crate::clock::Stopwatch;
use crate::e2e::http::{Request, Response};
use crate::e2e::raw::{RawPeer, Received};
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario!(case_01_server_without_a_required_header_is_400),
    scenario!(case_02_client_without_a_required_header_is_400),
    scenario!(case_03_what_is_no_upgrade_is_told_so),
    scenario!(case_04_any_origin_that_parses_is_welcome),
    scenario!(case_05_no_protocol_and_no_extension_is_agreed_on),
    scenario!(case_07_at_capacity_everything_is_503_until_a_slot_is_free),
    scenario!(case_08_a_refused_phone_gives_its_slot_back),
    scenario!(case_10_half_a_request_is_dropped_in_silence),
    scenario!(device_names_may_be_latin_1),
    scenario!(other_paths_are_404_and_health_is_exact),
];

/// The one shape of 400, 429 and 503: a newline and nothing that tells why.
fn expect_terse(response: &Response, status: u16) -> anyhow::Result<()> {
    response.expect(status)?;
    response.expect_header("content-type", "text/plain; charset=utf-8")?;
    response.expect_header("x-content-type-options", "nosniff")?;
    ensure!(
        response.body == b"\n",
        "a single newline expected in {response:?}"
    );
    Ok(())
}

async fn expect_required(relay: &Relay, valid: &Request, required: &[&str]) -> anyhow::Result<()> {
    for &name in required {
        let without = [
            valid.clone().without(name),
            valid.clone().replacing(name, ""),
            valid.clone().replacing(name, " \t "),
        ];
        for request in without {
            expect_terse(&relay.request(&request).await?, 400)?;
        }
    }
    relay.request(valid).await?.expect(101)
}

async fn case_01_server_without_a_required_header_is_400(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let required = ["X-Pyrycode-Server", "X-Pyrycode-Version", "User-Agent"];
    expect_required(&relay, &Request::binary("s"), &required).await
}

async fn case_02_client_without_a_required_header_is_400(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let required = ["X-Pyrycode-Server", "X-Pyrycode-Token", "User-Agent"];
    expect_required(&relay, &Request::phone("s"), &required).await
}

async fn case_03_what_is_no_upgrade_is_told_so(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    for valid in [Request::binary("s"), Request::phone("s")] {
        let not_upgrades = [
            valid.clone().without("Connection"),
            valid.clone().without("Connection").method("POST"),
            valid.clone().replacing("Connection", "keep-alive"),
            valid.clone().without("Upgrade"),
            valid.clone().replacing("Upgrade", "h2c"),
        ];
        for request in not_upgrades {
            let response = relay.request(&request).await?;
            response.expect(426)?;
            response.expect_header("upgrade", "websocket")?;
            response.expect_header("connection", "upgrade")?;
        }
        relay
            .request(&valid.clone().version("HTTP/1.0"))
            .await?
            .expect(426)?;
        relay
            .request(&valid.clone().method("POST"))
            .await?
            .expect(405)?;

        let old = relay
            .request(&valid.clone().replacing("Sec-WebSocket-Version", "8"))
            .await?;
        old.expect(400)?;
        old.expect_header("sec-websocket-version", "13")?;
        let wrong_keys = [
            valid.clone().without("Sec-WebSocket-Key"),
            valid
                .clone()
                .with("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            valid.clone().replacing("Sec-WebSocket-Key", "AAAAAAAAAAA="),
            valid
                .clone()
                .replacing("Sec-WebSocket-Key", "not base64, not at all!!"),
        ];
        for request in wrong_keys {
            relay.request(&request).await?.expect(400)?;
        }
        relay
            .request(&valid.replacing("Connection", "keep-alive, UPGRADE"))
            .await?
            .expect(101)?;
    }
    Ok(())
}

async fn case_04_any_origin_that_parses_is_welcome(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    for origin in ["https://evil.example", "null"] {
        relay
            .request(&Request::phone("s").with("Origin", origin))
            .await?
            .expect(101)?;
    }
    relay
        .request(&Request::phone("s").with("Origin", "http://[::1"))
        .await?
        .expect(403)
}

async fn case_05_no_protocol_and_no_extension_is_agreed_on(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let request = Request::binary("s")
        .with("Sec-WebSocket-Protocol", "foo")
        .with(
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits",
        );
    let response = RawPeer::dial(relay.addr())
        .await?
        .handshake(&request)
        .await?;
    for name in ["sec-websocket-protocol", "sec-websocket-extensions"] {
        ensure!(response.header(name).is_none(), "{name} in {response:?}");
    }
    Ok(())
}

async fn case_07_at_capacity_everything_is_503_until_a_slot_is_free(
    stage: &Stage,
) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--max-connections", "2"]).await?;
    let mark = relay.log().mark();
    let _binary = relay.binary("s").await?;
    let (phone, _) = relay.phone("s").await?;
    for path in ["/v1/server", "/v1/client"] {
        expect_terse(&relay.get(path).await?, 503)?;
        let event = relay
            .log()
            .event(
                mark,
                "conn_cap_reached",
                &[("path", path), ("remote", "127.0.0.1")],
            )
            .await?;
        let keys: Vec<&str> = event.keys().collect();
        ensure!(
            keys == ["time", "level", "msg", "path", "remote"],
            "{keys:?}"
        );
    }
    relay.get("/healthz").await?.expect(200)?;
    phone.close(1000, "").await?;
    until(async || Ok(relay.request(&Request::phone("s")).await?.status == 101)).await
}

async fn case_08_a_refused_phone_gives_its_slot_back(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay_with(&["--max-connections", "1"]).await?;
    for _ in 0..2 {
        until(async || {
            let mut phone = RawPeer::dial(relay.addr()).await?;
            phone.send_bytes(&Request::phone("s").bytes()).await?;
            if phone.response().await?.status != 101 {
                return Ok(false);
            }
            phone.expect_close(4404, "no server with that id").await?;
            Ok(true)
        })
        .await?;
    }
    Ok(())
}

async fn case_10_half_a_request_is_dropped_in_silence(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let mut peer = RawPeer::dial(relay.addr()).await?;
    peer.send_bytes(b"GET /v1/server HTTP/1.1\r\nHost: relay.test\r\nX-Pyry")
        .await?;
    let stopwatch = Stopwatch::start();
    let end = peer.next().await?;
    ensure!(
        end == Received::Eof,
        "the end of the stream expected, got {end:?}"
    );
    let elapsed = stopwatch.elapsed();
    ensure!(
        (Duration::from_secs(4)..Duration::from_secs(13)).contains(&elapsed),
        "after {elapsed:?}, not 5 s or, if the relay was late, 10 s"
    );
    Ok(())
}

async fn device_names_may_be_latin_1(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    let _binary = relay.binary("s").await?;
    let mark = relay.log().mark();
    let request = Request::phone("s").with_bytes("X-Pyrycode-Device-Name", b"J\xFCrgens Telefon");
    let _phone = RawPeer::upgrade(relay.addr(), &request).await?;
    relay
        .log()
        .event(mark, "phone_registered", &[("server_id", "s")])
        .await?;
    Ok(())
}

async fn other_paths_are_404_and_health_is_exact(stage: &Stage) -> anyhow::Result<()> {
    let relay = stage.relay().await?;
    for path in ["/", "/v1/server/", "/V1/server", "/v2/client", "/metrics"] {
        relay
            .request(&Request::binary("s").path(path))
            .await?
            .expect(404)?;
    }
    let health = relay.get("/healthz").await?;
    health.expect(200)?;
    health.expect_header("content-type", "application/json; charset=utf-8")?;
    health.expect_header("cache-control", "no-store")?;
    let body = String::from_utf8(health.body)?;
    let keys: Vec<&str> = body.split('"').skip(1).step_by(2).collect();
    let expected = [
        "status",
        "ok",
        "version",
        keys.get(3).copied().unwrap_or_default(),
        "connected_binaries",
        "connected_phones",
        "uptime_seconds",
    ];
    ensure!(
        keys == expected,
        "five keys in their order expected in {body}"
    );
    Ok(())
}
