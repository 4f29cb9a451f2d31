//! The relay as a service: a request in, a response out, and a WebSocket task behind each 101.
//!
//! It serves `/v1/server`, `/v1/client`, `/healthz` and `/readyz`, and 404 for everything else.

pub(crate) mod handshake;
mod response;

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use relay_core::{BoxFuture, DrainServer, Origin, Registry, WakeSink};
use tokio_util::sync::CancellationToken;

use crate::admission::{Admission, Refused, Slot, SlotKind};
use crate::config::Config;
use crate::deadlines::{SECOND_LOOK, is_late};
use crate::endpoint::{Arrival, serve_binary, serve_phone};
use crate::scratch::ScratchPool;
use crate::stats::{Counters, EndpointCounters, TransportStats};
use crate::tasks::Tasks;
use crate::upgrade;
use crate::{clock, health};

pub use response::ResponseBody;
pub(crate) use response::refused;
use response::{no_store, status, text, turned_away};

/// The relay, for a hyper or axum server of yours; clones share one relay.
///
/// Its connections run on tasks of its own and outlive the server that accepted them: drain it, as a
/// [`DrainServer`], together with that server.
#[derive(Clone)]
pub struct RelayService {
    pub(crate) shared: Arc<Shared>,
}

/// Whether a `Host` is ours.
pub(crate) type HostGate = Arc<dyn Fn(&str) -> bool + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) config: Config,
    pub(crate) host_gate: Option<HostGate>,
    pub(crate) admission: Admission,
    pub(crate) wakes: Arc<dyn WakeSink>,
    pub(crate) scratch: Arc<ScratchPool>,
    pub(crate) counters: Counters,
    pub(crate) tasks: Tasks,
    pub(crate) stop: CancellationToken,
    started: Instant,
    seed: AtomicU32,
}

impl RelayService {
    /// Must be called within a tokio runtime, on which the grace timer and every WebSocket then run.
    pub(crate) fn new(
        registry: Registry,
        config: Config,
        host_gate: Option<HostGate>,
        wakes: Arc<dyn WakeSink>,
    ) -> Self {
        let config = config.bounded();
        let shared = Shared {
            admission: Admission::new(&config),
            scratch: Arc::default(),
            counters: Counters::default(),
            tasks: Tasks::default(),
            stop: CancellationToken::new(),
            started: clock::now(),
            seed: AtomicU32::new(getrandom::u32().unwrap_or(1)),
            registry,
            config,
            host_gate,
            wakes,
        };
        let registry = shared.registry.clone();
        let stop = shared.stop.clone();
        shared.tasks.spawn(end_grace_windows(registry, stop));
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Answers one request that came from `remote`. Synchronous: a WebSocket goes on in a task of the relay's own.
    ///
    /// The request has to be hyper's own, or carry hyper's `OnUpgrade` extension, and its connection has to be
    /// served `with_upgrades()`. Its body is not read.
    pub fn respond<B>(&self, request: Request<B>, remote: SocketAddr) -> Response<ResponseBody> {
        if !self.shared.is_for(request.headers()) {
            return status(StatusCode::MISDIRECTED_REQUEST);
        }
        match request.uri().path() {
            "/v1/server" => self.upgrade(request, remote, SlotKind::Binary),
            "/v1/client" => self.upgrade(request, remote, SlotKind::Phone),
            "/healthz" => self.healthz(),
            "/readyz" => self.readyz(),
            _ => text(StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    /// A hyper service for one connection from `remote`.
    pub fn for_peer(&self, remote: SocketAddr) -> PeerService {
        PeerService {
            service: self.clone(),
            remote,
        }
    }

    /// What was counted up to now.
    pub fn stats(&self) -> TransportStats {
        let shared = &self.shared;
        let connections = shared.admission.connections();
        let panics = shared.tasks.panics();
        shared.counters.read(connections, panics, self.uptime())
    }

    fn uptime(&self) -> Duration {
        clock::now().saturating_duration_since(self.shared.started)
    }

    fn healthz(&self) -> Response<ResponseBody> {
        let stats = self.shared.registry.stats();
        let body = health::healthz(&self.shared.config.version, &stats, self.uptime());
        let mut response = Response::new(ResponseBody::from(body));
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        no_store(response)
    }

    fn readyz(&self) -> Response<ResponseBody> {
        let is_draining = self.shared.is_stopping();
        let status = if is_draining {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        };
        no_store(text(status, health::readyz(is_draining)))
    }

    fn upgrade<B>(
        &self,
        request: Request<B>,
        remote: SocketAddr,
        kind: SlotKind,
    ) -> Response<ResponseBody> {
        if self.shared.is_stopping() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "\n");
        }
        let counters = self.shared.counters_of(kind);
        let admission = &self.shared.admission;
        let slot = match admission.admit(kind, remote.ip(), request.headers(), clock::now()) {
            Ok(slot) => slot,
            Err(refused) => {
                match refused {
                    Refused::RateLimited { .. } => counters.rate_limited.step(),
                    Refused::Full => counters.at_capacity.step(),
                }
                return turned_away(refused, request.uri().path(), remote);
            }
        };
        let (required, label) = match kind {
            SlotKind::Binary => (upgrade::BINARY_HEADERS, upgrade::VERSION),
            SlotKind::Phone => (upgrade::PHONE_HEADERS, upgrade::DEVICE_NAME),
        };
        let (parts, _body) = request.into_parts();
        if let Err(refusal) = upgrade::check_required(&parts.headers, required) {
            counters.missing_headers.step();
            return refused(refusal);
        }
        let names = Arrival::names(&parts.headers, &label);
        match handshake::answer(parts) {
            Ok((response, upgrading)) => {
                self.welcome(kind, names, remote, upgrading, slot);
                response
            }
            Err(refusal) => refused(refusal),
        }
    }

    fn welcome(
        &self,
        kind: SlotKind,
        (server_id, label): (relay_core::ServerId, String),
        remote: SocketAddr,
        upgrading: fastwebsockets::upgrade::UpgradeFut,
        slot: Slot,
    ) {
        let arrival = Arrival {
            shared: Arc::clone(&self.shared),
            server_id,
            origin: Origin::from_ip(remote.ip()),
            label,
            upgrading,
            slot,
        };
        match kind {
            SlotKind::Binary => self.shared.tasks.spawn(serve_binary(arrival)),
            SlotKind::Phone => self.shared.tasks.spawn(serve_phone(arrival)),
        }
    }
}

impl Shared {
    fn is_for(&self, headers: &HeaderMap) -> bool {
        let host = || headers.get(HOST)?.to_str().ok();
        upgrade::is_for(&self.config.hosts, headers)
            && self
                .host_gate
                .as_ref()
                .is_none_or(|admits| admits(host().unwrap_or_default()))
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_cancelled() || self.registry.is_draining()
    }

    pub(crate) fn counters_of(&self, kind: SlotKind) -> &EndpointCounters {
        match kind {
            SlotKind::Binary => &self.counters.binary,
            SlotKind::Phone => &self.counters.phone,
        }
    }

    /// When the service was made.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn next_seed(&self) -> u32 {
        // A Weyl sequence: consecutive connections get distant seeds.
        self.seed.fetch_add(0x9e37_79b9, Ordering::Relaxed)
    }

    #[cfg(feature = "internals")]
    pub(crate) fn restart_seeds(&self, first: u32) {
        self.seed.store(first, Ordering::Relaxed);
    }
}

/// The grace timer must not outlive the last handle.
impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Ends the grace windows of binaries that did not come back, until the relay stops.
async fn end_grace_windows(registry: Registry, stop: CancellationToken) {
    let tick = async {
        loop {
            match registry.tick(clock::now()) {
                Some(next) => {
                    let opened = registry.grace_opened();
                    let _ = tokio::time::timeout_at(next.into(), opened).await;
                    if is_late(next, clock::now()) {
                        // Who came back while the relay was suspended waits to be accepted.
                        tokio::time::sleep(SECOND_LOOK).await;
                    }
                }
                None => registry.grace_opened().await,
            }
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = registry.draining() => {}
        () = tick => {}
    }
}

/// New WebSockets are answered 503 once it stops accepting; live ones are the registry's to close.
impl DrainServer for RelayService {
    fn name(&self) -> &str {
        "relay"
    }

    fn stop_accepting(&self) {
        self.shared.stop.cancel();
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.shared.tasks.closed())
    }

    fn abort(&self) {
        self.shared.tasks.abort();
    }
}

impl fmt::Debug for RelayService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayService")
            .field("config", &self.shared.config)
            .field("panics", &self.shared.tasks.panics())
            .finish_non_exhaustive()
    }
}

/// One connection's view of a [`RelayService`], as hyper wants it.
#[derive(Clone, Debug)]
pub struct PeerService {
    service: RelayService,
    remote: SocketAddr,
}

impl<B> hyper::service::Service<Request<B>> for PeerService {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        ready(Ok(self.service.respond(request, self.remote)))
    }
}

#[cfg(test)]
mod tests;
