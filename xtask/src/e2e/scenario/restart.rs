//! Restarts without a gap: a fleet that notices nothing but its 1001, a successor that fails, sockets that stay open.

mod fleet;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use rustix::process::Signal;
use tokio::process::Command;

use super::Scenario;
use crate::clock::Stopwatch;
use crate::e2e::http::Request;
use crate::e2e::log::Mark;
use crate::e2e::ports;
use crate::e2e::raw::RawPeer;
use crate::e2e::stage::Stage;
use fleet::ten_restarts_under_five_hundred_peers_refuse_nobody;

pub(super) const ALL: &[Scenario] = &[
    scenario!(ten_restarts_under_five_hundred_peers_refuse_nobody)
        .within(Duration::from_secs(180))
        .alone(),
    scenario!(a_successor_that_fails_leaves_the_relay_serving),
    scenario!(an_upgrade_lets_a_half_said_request_finish),
    scenario!(a_spread_drain_tells_daemons_in_turn_and_their_phones_behind_them),
    scenario!(a_stop_kills_a_successor_that_does_not_serve_yet),
    scenario!(connects_wait_in_a_socket_from_outside_while_no_relay_runs),
];

/// A directory of this scenario's own, removed when dropped.
struct Installed(PathBuf);

impl Installed {
    /// By another process: what this one has open for writing, a child of a neighbouring scenario may hold.
    async fn copy(&self, from: &std::path::Path) -> anyhow::Result<()> {
        let status = Command::new("cp")
            .arg("--remove-destination")
            .args([from, &self.executable()])
            .status()
            .await?;
        ensure!(status.success(), "cp ended with {status}");
        Ok(())
    }

    /// A shell script in place of the relay; by another process, as above.
    async fn write(&self, script: &str) -> anyhow::Result<()> {
        let write = format!(r#"rm "$0"; printf '#!/bin/sh\n{script}\n' >"$0"; chmod 755 "$0""#);
        let status = Command::new("/bin/sh")
            .args(["-c", &write])
            .arg(self.executable())
            .status()
            .await?;
        ensure!(status.success(), "sh ended with {status}");
        Ok(())
    }

    async fn of(stage: &Stage, name: &str) -> anyhow::Result<Self> {
        let directory = format!("pyrycode-relay-e2e-{}-{name}", std::process::id());
        let installed = Self(std::env::temp_dir().join(directory));
        std::fs::create_dir(&installed.0)?;
        installed.copy(stage.binary()).await?;
        Ok(installed)
    }

    fn executable(&self) -> PathBuf {
        self.0.join("pyrycode-relay")
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn a_successor_that_fails_leaves_the_relay_serving(stage: &Stage) -> anyhow::Result<()> {
    let installed = Installed::of(stage, "fails").await?;
    let executable = installed.executable();
    let mut relay = stage.relay_with_successors(&executable, &[]).await?;
    let mut binary = relay.binary("s").await?;

    installed.copy("/bin/false".as_ref()).await?;
    for _ in 0..2 {
        let mark = relay.log().mark();
        relay.signal(Signal::USR2)?;
        let told = relay.log().event(mark, "upgrade failed; serving on", &[]);
        let err = told.await?.get("err").map(str::to_owned);
        ensure!(
            err.as_deref()
                .is_some_and(|err| err.contains("exit status: 1")),
            "{err:?}"
        );
    }
    std::fs::remove_file(&executable)?;
    let mark = relay.log().mark();
    relay.signal(Signal::USR2)?;
    relay
        .log()
        .event(mark, "upgrade failed; serving on", &[])
        .await?;

    // Whoever was there still is, others still come, and the next try succeeds.
    let (mut phone, conn_id) = relay.phone("s").await?;
    phone.send("1").await?;
    binary.expect_frame(&conn_id, "1").await?;
    installed.copy(stage.binary()).await?;
    let peers = async {
        binary.expect_notice(&conn_id, 1001).await?;
        binary.expect_close(1001, "shutting down").await?;
        phone.expect_close(1001, "shutting down").await
    };
    tokio::try_join!(relay.upgrade(), peers)?;
    relay.get("/readyz").await?.expect(200)
}

async fn an_upgrade_lets_a_half_said_request_finish(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay_with_successors(stage.binary(), &[]).await?;
    let request = Request::binary("s").bytes();
    let (first, second) = request.split_at(request.len() / 2);
    let mut newcomer = RawPeer::dial(relay.addr()).await?;
    newcomer.send_bytes(first).await?;
    // An answer on another connection: the relay has accepted the one before it.
    relay.get("/readyz").await?.expect(200)?;

    relay.upgrade().await?;
    let mark = relay.log().mark();
    newcomer.send_bytes(second).await?;
    newcomer.response().await?.expect(101)?;
    newcomer.expect_close(1001, "shutting down").await?;
    relay
        .log()
        .event(mark, "shutdown complete", &[("cut", "0")])
        .await?;
    relay.get("/readyz").await?.expect(200)
}

async fn a_spread_drain_tells_daemons_in_turn_and_their_phones_behind_them(
    stage: &Stage,
) -> anyhow::Result<()> {
    const PAIRS: u32 = 10;
    const SPREAD: Duration = Duration::from_secs(1);
    let flags = ["--drain-spread=1s"];
    let mut relay = stage.relay_with_successors(stage.binary(), &flags).await?;
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let server_id = format!("server-{pair}");
        let daemon = relay.binary(&server_id).await?;
        let (phone, conn_id) = relay.phone(&server_id).await?;
        pairs.push((daemon, phone, conn_id));
    }
    let start = Stopwatch::start();
    relay.upgrade().await?;
    let told = pairs.iter_mut().map(async |(daemon, phone, conn_id)| {
        daemon.expect_notice(conn_id, 1001).await?;
        daemon.expect_close(1001, "shutting down").await?;
        let after = start.elapsed();
        phone.expect_close(1001, "shutting down").await?;
        anyhow::Ok((after, start.elapsed()))
    });
    let told = futures_util::future::try_join_all(told).await?;
    // The last daemon's turn is a tenth before half of the time, from a moment after the start; timers are never early.
    let daemons = told.iter().map(|(daemon, _)| *daemon);
    let last = daemons.max().unwrap_or_default();
    let turn = SPREAD / 2 / PAIRS * (PAIRS - 1);
    ensure!(last >= turn, "the last daemon was told after {last:?}");
    let all = told.iter().map(|(_, phone)| *phone).max();
    ensure!(all.unwrap_or_default() > last, "{told:?}");
    relay
        .log()
        .event(Mark::default(), "shutdown complete", &[("cut", "0")])
        .await?;
    Ok(())
}

async fn a_stop_kills_a_successor_that_does_not_serve_yet(stage: &Stage) -> anyhow::Result<()> {
    let installed = Installed::of(stage, "hangs").await?;
    let executable = installed.executable();
    let mut relay = stage.relay_with_successors(&executable, &[]).await?;
    installed.write("exec sleep 600").await?;
    let mark = relay.log().mark();
    relay.signal(Signal::USR2)?;
    relay.log().event(mark, "upgrade begun", &[]).await?;
    relay.signal(Signal::TERM)?;
    // Its end is that of its standard error too, which the successor shares.
    relay.exits_cleanly_within(Duration::from_secs(2)).await
}

async fn connects_wait_in_a_socket_from_outside_while_no_relay_runs(
    stage: &Stage,
) -> anyhow::Result<()> {
    let addr = ports::free()?;
    let socket = TcpListener::bind(addr)?;
    for _ in 0..3 {
        let mut early = RawPeer::dial(addr).await?;
        early.send_bytes(&Request::get("/readyz").bytes()).await?;
        let mut relay = stage.relay_on(&socket, addr)?;
        early.response().await?.expect(200)?;
        relay.signal(Signal::TERM)?;
        relay.exits_cleanly_within(Duration::from_secs(2)).await?;
    }
    Ok(())
}
