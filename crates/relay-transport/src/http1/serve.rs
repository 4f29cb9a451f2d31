//! One connection, from its first byte of HTTP until it ends or is upgraded.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Request;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::Sleep;

use super::{Timeouts, Waits, Watched};
use crate::accept::Io;
use crate::clock;
use crate::config::Config;
use crate::deadlines::Earliest;
use crate::service::{PeerService, RelayService};

/// Serves HTTP until the connection ends or becomes a WebSocket, which has a task of its own. What comes in too late,
/// or is not fetched, ends it without a word.
pub(crate) async fn serve(
    io: impl Io + 'static,
    accepted: Instant,
    remote: SocketAddr,
    service: &RelayService,
) {
    let config = &service.shared.config;
    let waits = Waits::new(timeouts(config), accepted);
    let mut sleep = pin!(tokio::time::sleep_until(waits.deadline().into()));
    let waits = Arc::new(Mutex::new(waits));
    let watched = Watched::new(io, Arc::clone(&waits));
    let answering = Answering {
        service: service.for_peer(remote),
        waits: Arc::clone(&waits),
    };
    let connection = http(config)
        .serve_connection(TokioIo::new(watched), answering)
        .with_upgrades();
    let mut connection = pin!(connection);
    let over = poll_fn(|cx| {
        // What a connection died of before it became a WebSocket is its peer's business.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        poll_expired(&waits, sleep.as_mut(), cx)
    });
    tokio::select! {
        () = over => return,
        () = service.shared.stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(config.http_drain_timeout, connection).await;
}

fn timeouts(config: &Config) -> Timeouts {
    Timeouts {
        head: config.handshake_timeout,
        exchange: config.http_exchange_timeout,
        idle: config.http_idle_timeout,
    }
}

fn poll_expired(waits: &Mutex<Waits>, sleep: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    let deadline = waits.lock().deadline();
    Earliest::default().or(Some(deadline)).poll(sleep, cx)
}

fn http(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_header_size(config.max_head_bytes)
        .max_buf_size(config.max_head_bytes.max(MIN_HTTP_BUFFER));
    http
}

/// hyper panics below it.
const MIN_HTTP_BUFFER: usize = 8192;

/// The relay's answers to one peer; hyper asks for one when a head is complete.
struct Answering {
    service: PeerService,
    waits: Arc<Mutex<Waits>>,
}

impl<B> Service<Request<B>> for Answering {
    type Response = <PeerService as Service<Request<B>>>::Response;
    type Error = <PeerService as Service<Request<B>>>::Error;
    type Future = <PeerService as Service<Request<B>>>::Future;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.waits.lock().requested(clock::now());
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests;
