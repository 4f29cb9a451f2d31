//! Ports for relays, and sockets enough for their peers.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Below where Linux (32768), macOS and Windows (49152) take the ports of outgoing connections from:
/// a port found free here cannot be lost to one of our own peers before the relay binds it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// What the drain proof needs, with room to spare.
const SOCKETS: u64 = 4_096;

/// A port on 127.0.0.1 that nothing listens on; no two calls return the same.
///
/// # Errors
///
/// Every port of the range is taken.
pub(super) fn free() -> anyhow::Result<SocketAddr> {
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

/// Lets this process, and the relays it starts, open as many files as the system allows.
///
/// # Errors
///
/// That is too few for the scenarios.
pub(super) fn raise_socket_limit() -> anyhow::Result<()> {
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
