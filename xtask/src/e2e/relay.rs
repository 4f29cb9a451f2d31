//! One relay process: started, waited for, signalled, and never left behind.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::http::{Request, Response};
use super::log::{Fields, Log, Mark};
use super::peer::Peer;
use super::ports;
use super::raw::RawPeer;
use crate::clock::Stopwatch;

/// A running relay; killed when dropped.
#[derive(Debug)]
pub(super) struct Relay {
    child: Child,
    addr: SocketAddr,
    log: Log,
    boot: Mark,
    /// The process that serves, once it is no longer the one that was started.
    successor: Option<Pid>,
    /// The group of a process and its successors.
    group: Option<Pid>,
    /// Fills the log; ends with the process.
    _reader: JoinSet<()>,
}

impl Relay {
    /// Starts a relay on a free port. It may not listen yet: see [`Relay::ready`].
    pub(super) fn start(binary: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        Self::start_at(binary, ports::free()?, flags)
    }

    /// Starts a relay on this address.
    pub(super) fn start_at(
        binary: &Path,
        addr: SocketAddr,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        Self::spawn(
            command(binary)
                .arg(listen_at(addr))
                .args(UNHINDERED)
                .args(flags),
            addr,
        )
    }

    /// Starts a relay on a free port at the lowest log level there is.
    pub(super) fn start_verbose(binary: &Path) -> anyhow::Result<Self> {
        let addr = ports::free()?;
        Self::spawn(
            command(binary)
                .arg(listen_at(addr))
                .args(UNHINDERED)
                .env("RUST_LOG", "trace"),
            addr,
        )
    }

    /// Starts a relay on a free port with every other default, its metrics page included.
    pub(super) fn start_as_is(binary: &Path) -> anyhow::Result<Self> {
        let addr = ports::free()?;
        Self::spawn(command(binary).arg(listen_at(addr)), addr)
    }

    /// Starts a relay on a free port that may be succeeded, in a process group for all of them.
    pub(super) fn start_line(executable: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let addr = ports::free()?;
        let mut command = command(executable);
        command
            .arg(listen_at(addr))
            .args(UNHINDERED)
            .args(flags)
            .process_group(0);
        let mut relay = Self::spawn(&mut command, addr)?;
        relay.group = Some(relay.pid()?);
        Ok(relay)
    }

    /// Starts a relay on a free port with these variables in its environment.
    pub(super) fn start_under(
        binary: &Path,
        variables: &[(&str, PathBuf)],
    ) -> anyhow::Result<Self> {
        let addr = ports::free()?;
        Self::spawn(
            command(binary)
                .arg(listen_at(addr))
                .args(UNHINDERED)
                .envs(variables.iter().map(|(name, value)| (name, value))),
            addr,
        )
    }

    /// Starts a relay that is given its socket, as systemd gives it.
    pub(super) fn start_on(
        binary: &Path,
        socket: &TcpListener,
        addr: SocketAddr,
    ) -> anyhow::Result<Self> {
        // Only a process itself knows its id before it runs: the shell becomes the relay.
        let mut shell = command("/bin/sh".as_ref());
        shell
            .args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""])
            .arg(binary)
            .arg(listen_at(addr))
            .args(UNHINDERED)
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDNAMES", "http")
            .fd_mappings(vec![FdMapping {
                parent_fd: socket.as_fd().try_clone_to_owned()?,
                child_fd: 3,
            }])?;
        Self::spawn(&mut shell, addr)
    }

    fn spawn(command: &mut Command, addr: SocketAddr) -> anyhow::Result<Self> {
        command.stdout(Stdio::null());
        let mut child = command.spawn().context("could not start the relay")?;
        let stderr = child.stderr.take().context("standard error is piped")?;
        let (log, fill) = Log::of(stderr);
        let mut reader = JoinSet::new();
        reader.spawn(fill);
        Ok(Self {
            child,
            addr,
            boot: log.mark(),
            successor: None,
            group: None,
            log,
            _reader: reader,
        })
    }

    /// Waits until it listens, and `/readyz` says so too.
    ///
    /// # Errors
    ///
    /// It ended instead, or is not ready.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        self.log.event(self.boot, "listening", &[]).await?;
        self.get("/readyz").await?.expect(200)
    }

    /// The boot line, which has these fields.
    pub(super) async fn started(&self, fields: &[(&str, &str)]) -> anyhow::Result<Fields> {
        self.log.event(self.boot, "starting", fields).await
    }

    /// The ports it listens on.
    pub(super) fn ports(&self) -> anyhow::Result<BTreeSet<u16>> {
        let process = self.child.id().context("the relay has already ended")?;
        ports::listened_on_by(process)
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Sends a signal to this process and no other.
    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid()?, signal).context("could not signal the relay")
    }

    /// The process that serves.
    pub(super) fn pid(&self) -> anyhow::Result<Pid> {
        if let Some(successor) = self.successor {
            return Ok(successor);
        }
        let pid = self.child.id().context("the relay has already ended")?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        pid.context("a process id")
    }

    /// Has it succeeded by its executable, and waits until the successor serves; signals go there from here on.
    pub(super) async fn upgrade(&mut self) -> anyhow::Result<()> {
        let mark = self.log.mark();
        self.signal(Signal::USR2)?;
        let serves = self.log.event(mark, "successor serves; draining", &[]);
        let pid = serves.await?.get("pid").and_then(|pid| pid.parse().ok());
        self.successor = Some(pid.and_then(Pid::from_raw).context("no pid")?);
        Ok(())
    }

    /// Waits for its end, and says how long that took.
    pub(super) async fn exit(&mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let stopwatch = Stopwatch::start();
        let status = self.child.wait().await?;
        let elapsed = stopwatch.elapsed();
        self.log.ended().await;
        Ok((status, elapsed))
    }

    /// Waits for an end with code 0 within `limit`.
    pub(super) async fn exits_cleanly_within(&mut self, limit: Duration) -> anyhow::Result<()> {
        let (status, elapsed) = self.exit().await?;
        if status.code() != Some(0) {
            bail!("the relay ended with {status}");
        }
        anyhow::ensure!(
            elapsed <= limit,
            "the relay took {elapsed:?} to end, more than {limit:?}"
        );
        Ok(())
    }

    /// One plain GET on a connection of its own.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.request(&Request::get(path)).await
    }

    /// One request on a connection of its own.
    pub(super) async fn request(&self, request: &Request) -> anyhow::Result<Response> {
        let mut peer = RawPeer::dial(self.addr).await?;
        peer.send_bytes(&request.bytes()).await?;
        peer.response().await
    }

    /// `connected_binaries` and `connected_phones`.
    pub(super) async fn connected(&self) -> anyhow::Result<(u64, u64)> {
        let body: serde_json::Value = serde_json::from_slice(&self.get("/healthz").await?.body)?;
        let count = |key: &str| {
            body[key]
                .as_u64()
                .with_context(|| format!("no {key} in {body}"))
        };
        Ok((count("connected_binaries")?, count("connected_phones")?))
    }

    /// A daemon that holds `server_id`.
    pub(super) async fn binary(&self, server_id: &str) -> anyhow::Result<Peer> {
        let mark = self.log.mark();
        let peer = Peer::upgrade(self.addr, &Request::binary(server_id)).await?;
        self.log
            .event(mark, "server_claimed", &[("server_id", server_id)])
            .await?;
        Ok(peer)
    }

    /// A phone registered under `server_id`, and its conn_id.
    pub(super) async fn phone(&self, server_id: &str) -> anyhow::Result<(Peer, String)> {
        let (request, name) = Request::named_phone(server_id);
        let mark = self.log.mark();
        let peer = Peer::upgrade(self.addr, &request).await?;
        Ok((peer, self.registered(mark, &name).await?))
    }

    /// As [`Relay::binary`], frame by frame.
    pub(super) async fn raw_binary(&self, server_id: &str) -> anyhow::Result<RawPeer> {
        let mark = self.log.mark();
        let peer = RawPeer::upgrade(self.addr, &Request::binary(server_id)).await?;
        self.log
            .event(mark, "server_claimed", &[("server_id", server_id)])
            .await?;
        Ok(peer)
    }

    /// As [`Relay::phone`], frame by frame.
    pub(super) async fn raw_phone(&self, server_id: &str) -> anyhow::Result<(RawPeer, String)> {
        let (request, name) = Request::named_phone(server_id);
        let mark = self.log.mark();
        let peer = RawPeer::upgrade(self.addr, &request).await?;
        Ok((peer, self.registered(mark, &name).await?))
    }

    /// A phone with a receive buffer of a few KiB, so that what it does not read piles up in the relay.
    pub(super) async fn narrow_phone(&self, server_id: &str) -> anyhow::Result<(RawPeer, String)> {
        let (request, name) = Request::named_phone(server_id);
        let mark = self.log.mark();
        let mut peer = RawPeer::dial_narrow(self.addr).await?;
        peer.handshake(&request).await?;
        Ok((peer, self.registered(mark, &name).await?))
    }

    /// A daemon with a receive buffer of a few KiB.
    pub(super) async fn narrow_binary(&self, server_id: &str) -> anyhow::Result<RawPeer> {
        let mark = self.log.mark();
        let mut peer = RawPeer::dial_narrow(self.addr).await?;
        peer.handshake(&Request::binary(server_id)).await?;
        self.log
            .event(mark, "server_claimed", &[("server_id", server_id)])
            .await?;
        Ok(peer)
    }

    /// The conn_id of the phone that calls itself `device_name`.
    pub(super) async fn registered(&self, mark: Mark, device_name: &str) -> anyhow::Result<String> {
        let event = self
            .log
            .event(mark, "phone_registered", &[("device_name", device_name)])
            .await?;
        event
            .get("conn_id")
            .map(str::to_owned)
            .context("`phone_registered` has no conn_id")
    }
}

/// Its own child is killed with its handle; a successor is not its child.
impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // Fails when nobody is left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn listen_at(addr: SocketAddr) -> String {
    format!("--insecure-listen={addr}")
}

/// All peers of a scenario come from one address, and relays run side by side; a scenario's own flags come later and win.
const UNHINDERED: [&str; 3] = [
    "--rate-limit-per-minute=0",
    "--max-connections-per-ip=1000000",
    "--metrics-listen=",
];

/// A relay without the environment that the reference calls configuration, its standard error piped.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for variable in [
        "PYRYCODE_RELAY_PRODUCTION",
        "PYRYCODE_RELAY_SINGLE_INSTANCE",
        "PYRYCODE_RELAY_FCM_CREDENTIALS",
        "PYRYCODE_RELAY_FCM_ENDPOINT",
        "FLY_APP_NAME",
        "RUST_LOG",
    ] {
        command.env_remove(variable);
    }
    command
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}
