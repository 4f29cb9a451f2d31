//! Ports for relays, and sockets enough for their peers.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below where Linux (32768), macOS and Windows (49152) take the ports of outgoing connections from:
/// a port found free here cannot be lost to one of our own peers before the relay binds it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A socket's state in the tables of `/proc/net`.
const LISTENING: &str = "0A";

/// What the drain proof needs, with room to spare.
const SOCKETS: u64 = 4_096;

/// A port on 127.0.0.1 that nothing listens on; no two calls return the same.
///
/// # Errors
///
/// Every port of the range is taken.
pub(crate) fn free() -> anyhow::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let length = PORTS.end - PORTS.start;
    // Two harnesses on one machine start at different places.
    let start = u16::try_from(std::process::id() % u32::from(length)).expect("smaller than a u16");
    for _ in 0..length {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (start + offset % length) % length;
        let addr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    anyhow::bail!("no free port in {PORTS:?}")
}

/// The TCP ports that a process listens on, from `/proc`.
///
/// # Errors
///
/// The system is not Linux, or the process has ended.
pub(super) fn listened_on_by(process: u32) -> anyhow::Result<BTreeSet<u16>> {
    let sockets = tcp_sockets(process)?.into_iter();
    Ok(sockets
        .filter_map(|socket| socket.is_listening.then_some(socket.port))
        .collect())
}

/// How many TCP connections a process has a descriptor of.
///
/// # Errors
///
/// The system is not Linux, or the process has ended.
pub(super) fn connections_of(process: u32) -> anyhow::Result<usize> {
    let sockets = tcp_sockets(process)?.into_iter();
    Ok(sockets.filter(|socket| !socket.is_listening).count())
}

/// A TCP socket of a process.
struct TcpSocket {
    port: u16,
    is_listening: bool,
}

fn tcp_sockets(process: u32) -> anyhow::Result<Vec<TcpSocket>> {
    let directory = format!("/proc/{process}");
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(format!("{directory}/fd"))? {
        // One that was closed meanwhile is no socket of it any more.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        inodes.extend(
            target
                .strip_prefix("socket:[")
                .and_then(|inode| inode.strip_suffix(']'))
                .map(str::to_owned),
        );
    }
    let mut sockets = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("{directory}/net/{table}"))?;
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else {
                continue;
            };
            if inodes.contains(inode) {
                let (_, port) = local.rsplit_once(':').context("an address")?;
                sockets.push(TcpSocket {
                    port: u16::from_str_radix(port, 16)?,
                    is_listening: state == LISTENING,
                });
            }
        }
    }
    Ok(sockets)
}

/// Lets this process, and the relays it starts, open as many files as the system allows.
///
/// # Errors
///
/// That is too few for the scenarios.
pub(crate) fn raise_socket_limit() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    )
    .context("could not raise RLIMIT_NOFILE")?;
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= SOCKETS),
        "RLIMIT_NOFILE allows {limit:?}, the scenarios need {SOCKETS}: raise the hard limit"
    );
    Ok(())
}
