//! What can be measured: one file per mode, each ending in one JSON object.

pub(crate) mod churn;
pub(crate) mod connects;
pub(crate) mod crowd;
pub(crate) mod echo;
pub(crate) mod secure;
pub(crate) mod stalled;

use std::net::SocketAddr;

use crate::process::Watched;

/// The relay, or whatever stands in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) process: Watched,
}

/// A server-id for each number, and for each process others: what an earlier load left behind is nobody's daemon.
pub(crate) fn server_id(number: usize) -> String {
    format!("{:08x}-0000-4000-8000-{number:012}", std::process::id())
}
