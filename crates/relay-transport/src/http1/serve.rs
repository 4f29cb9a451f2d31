//! One connection, from its first byte of HTTP until it ends or is upgraded.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Timeouts, Waits, Watched};
use crate::accept::Io;
use crate::clock;
use crate::config::{Config, FOREVER};
use crate::deadlines::{Earliest, SecondLook};
use crate::service::{RelayService, ResponseBody};

/// How the connections of a listener speak HTTP/1.1: kept for further requests, with a bound on every wait.
///
/// The relay's own server is made of it; a listener beside that one need not find other bounds.
#[derive(Clone, Debug)]
pub struct Http1 {
    timeouts: Timeouts,
    drain_timeout: Duration,
    max_head_bytes: usize,
}

impl Http1 {
    /// With the bounds that `config` names for HTTP and for heads; the rest of it is not looked at.
    pub fn new(config: &Config) -> Self {
        Self {
            timeouts: Timeouts {
                head: FOREVER.min(config.handshake_timeout),
                exchange: FOREVER.min(config.http_exchange_timeout),
                idle: FOREVER.min(config.http_idle_timeout),
            },
            drain_timeout: FOREVER.min(config.http_drain_timeout),
            max_head_bytes: config.max_head_bytes,
        }
    }

    /// Serves a connection accepted at `accepted` until it ends or is upgraded. What comes in too late, or is not
    /// fetched, ends it without a word. Once `stop` resolves an idle connection ends, and any other behind its answer.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connection.
    pub async fn serve<S>(
        &self,
        io: impl Io + 'static,
        accepted: Instant,
        service: S,
        stop: impl Future<Output = ()>,
    ) where
        S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
    {
        let waits = Waits::new(self.timeouts, accepted);
        let mut sleep = pin!(tokio::time::sleep_until(waits.deadline().into()));
        let waits = Arc::new(Mutex::new(waits));
        let watched = Watched::new(io, Arc::clone(&waits));
        let answering = Answering {
            service,
            waits: Arc::clone(&waits),
        };
        let connection = self
            .builder()
            .serve_connection(TokioIo::new(watched), answering)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut second_look = SecondLook::default();
        let over = poll_fn(|cx| {
            // What a connection died of before it became a WebSocket is its peer's business.
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let deadline = Earliest::default().or(Some(waits.lock().deadline()));
            let judged = second_look.judges_at(deadline, clock::now());
            Earliest::default().or(judged).poll(sleep.as_mut(), cx)
        });
        tokio::select! {
            biased;
            () = over => return,
            () = stop => connection.as_mut().graceful_shutdown(),
        }
        let _ = tokio::time::timeout(self.drain_timeout, connection).await;
    }

    fn builder(&self) -> http1::Builder {
        let mut http = http1::Builder::new();
        http.max_header_size(self.max_head_bytes)
            .max_buf_size(self.max_head_bytes.max(MIN_HTTP_BUFFER));
        http
    }
}

/// Serves HTTP until the connection ends or becomes a WebSocket, which has a task of its own.
pub(crate) async fn serve(
    io: impl Io + 'static,
    accepted: Instant,
    remote: SocketAddr,
    newcomer: TaskTrackerToken,
    service: &RelayService,
) {
    let peer = service.for_peer(remote);
    let newcomer = Mutex::new(Some(newcomer));
    let service_of_peer = service_fn(move |request| {
        let response = peer.call(request);
        newcomer.lock().take();
        response
    });
    let stop = service.shared.stop.cancelled();
    Http1::new(&service.shared.config)
        .serve(io, accepted, service_of_peer, stop)
        .await;
}

/// hyper panics below it.
const MIN_HTTP_BUFFER: usize = 8192;

/// A service whose connection learns when a head is complete: that is when hyper calls it.
struct Answering<S> {
    service: S,
    waits: Arc<Mutex<Waits>>,
}

impl<B, S: Service<Request<B>>> Service<Request<B>> for Answering<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.waits.lock().requested(clock::now());
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests;
