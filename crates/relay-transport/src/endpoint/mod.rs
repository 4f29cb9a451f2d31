//! The three things a WebSocket connection can be: a binary, a phone, or a peer on its way out.
//!
//! Each function here runs one connection from the switched protocol to its end. Registration happens after the
//! upgrade, so every refusal is a WebSocket close that the peer can read.

mod binary;
mod phone;
mod probe;
mod refused;

use std::pin::pin;
use std::sync::Arc;

use fastwebsockets::upgrade::UpgradeFut;
use http::HeaderMap;
use relay_core::{Origin, ServerId};

use crate::admission::Slot;
use crate::clock;
use crate::connection::{Connection, Endpoint, Shape, Timing};
use crate::deadlines::timeout;
use crate::service::Shared;
use crate::stream::Stream;
use crate::upgrade;
use crate::ws::Bounds;

pub(crate) use binary::serve as serve_binary;
pub(crate) use phone::serve as serve_phone;

/// A peer whose upgrade is being answered.
pub(crate) struct Arrival {
    pub(crate) shared: Arc<Shared>,
    pub(crate) server_id: ServerId,
    pub(crate) origin: Origin,
    /// The binary's version or the phone's device name: for one log line.
    pub(crate) label: String,
    pub(crate) upgrading: UpgradeFut,
    /// Held until the last byte of the connection is handled.
    pub(crate) slot: Slot,
}

/// A peer whose protocol is switched.
pub(crate) struct Arrived {
    shared: Arc<Shared>,
    server_id: ServerId,
    origin: Origin,
    label: String,
    stream: Stream,
    leftover: Vec<u8>,
    _slot: Slot,
}

impl Arrival {
    /// The server-id and the label header as they stand in a request that passed its checks.
    pub(crate) fn names(headers: &HeaderMap, label: &http::HeaderName) -> (ServerId, String) {
        let server_id = upgrade::first(headers, &upgrade::SERVER).unwrap_or_default();
        let label = upgrade::first(headers, label).unwrap_or_default();
        (
            ServerId::new(server_id),
            crate::log::clip(label).into_owned(),
        )
    }

    /// Waits for hyper to let go of the socket; `None` if the peer was gone or too slow.
    async fn arrive(self) -> Option<Arrived> {
        let time = self.shared.config.handshake_timeout;
        let Ok(Ok(switched)) = timeout(time, pin!(self.upgrading)).await else {
            self.shared.counters.unfinished_upgrades.step();
            return None;
        };
        // The handshake helper wraps the stream in its own reader, which is taken off before it has read a byte.
        let upgraded = switched.into_inner().into_inner();
        let (stream, leftover) = Stream::from_upgraded(upgraded);
        Some(Arrived {
            shared: self.shared,
            server_id: self.server_id,
            origin: self.origin,
            label: self.label,
            stream,
            leftover,
            _slot: self.slot,
        })
    }
}

fn connection<E: Endpoint>(
    shared: &Shared,
    stream: Stream,
    leftover: Vec<u8>,
    write_timeout: std::time::Duration,
    endpoint: E,
) -> Connection<Stream, E> {
    let config = &shared.config;
    let shape = Shape {
        scratch: Arc::clone(&shared.scratch),
        timing: Timing {
            write_timeout,
            close_timeout: config.close_timeout,
            message_timeout: config.message_timeout,
            heartbeat_interval: config.heartbeat_interval,
            heartbeat_timeout: config.heartbeat_timeout,
        },
        bounds: Bounds::new(config.max_message_bytes),
        leftover,
        seed: shared.next_seed(),
        epoch: shared.started(),
    };
    Connection::new(stream, endpoint, shape, clock::now())
}
