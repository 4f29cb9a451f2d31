//! Serving: every listener bound before one of them accepts, then the drain.

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use relay_core::{DrainServer, Limits, Registry};
use relay_shutdown::{ShutdownContext, shutdown};
use relay_transport::{BoundServer, ProxyProtocol, Server, ServerBuilder};
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::boot::nofile;
use crate::challenges::ChallengePage;
use crate::config::{CertificateSource, Config, Mode};
use crate::exit::Exit;
use crate::listener::{PageServer, bind};
use crate::metrics::MetricsPage;
use crate::push::Push;
use crate::report;
use crate::run::VERSION;
use crate::signals::Signal;
use crate::tls_mode::{Certified, Upkeep};

/// Serves until a stop is requested, and drains; or fails to bind.
pub(crate) async fn serve(
    config: &Config,
    mut certified: Certified,
    push: Push,
    mut signals: impl Stream<Item = Signal> + Unpin,
) -> Exit {
    starting(config);
    let queue_memory = usize::try_from(config.queue_memory).unwrap_or(usize::MAX);
    let registry = Registry::new(Limits::default().queue_memory(queue_memory));
    let max_connections = allowed_connections(config);
    let builder = ServerBuilder::new(registry.clone()).config(transport(config, max_connections));
    let builder = match push.sink() {
        Some(sink) => builder.wakes(sink),
        None => builder,
    };
    let deadline = config.drain_deadline;

    let Some(bound) = Bound::all(config, certified.protect(builder)).await else {
        error!("listener error; draining");
        drain(deadline, &registry, &[], signals).await;
        push.stop().await;
        return Exit::Failure;
    };
    let page = |server: &Server| MetricsPage {
        registry: registry.clone(),
        service: server.service().clone(),
        max_connections: max_connections.get(),
        push: push.clone(),
        certificates: certified.certificates.clone(),
    };
    let challenges = certified.challenges.take().map(ChallengePage);
    let serving = bound.serve(challenges, page);

    until_stopped(&mut signals, &mut certified.upkeep).await;
    info!("shutdown signal received; draining");
    drain(deadline, &registry, &serving.servers(), signals).await;
    push.stop().await;
    Exit::Ok
}

fn starting(config: &Config) {
    let version = VERSION;
    match &config.mode {
        Mode::Insecure { listen } => info!(version, mode = "insecure", %listen, "starting"),
        Mode::Tls {
            listen,
            proxy_protocol,
            certificates,
        } => {
            let https_proxy_protocol = *proxy_protocol != ProxyProtocol::Off;
            match certificates {
                CertificateSource::Acme(acme) => {
                    let domain = acme.domains.iter().collect::<Vec<_>>().join(",");
                    let cert_cache = acme.cache.display();
                    info!(version, mode = "autocert", %listen, domain, %cert_cache, https_proxy_protocol, "starting");
                }
                CertificateSource::Files { chain, .. } => {
                    let path = chain.display();
                    info!(version, mode = "files", %listen, %path, https_proxy_protocol, "starting");
                }
            }
        }
    }
    if let Some(listen) = config.metrics_listen {
        info!(%listen, "starting metrics listener");
    }
}

/// Keeps certificates up to date meanwhile.
async fn until_stopped(signals: &mut (impl Stream<Item = Signal> + Unpin), upkeep: &mut Upkeep) {
    loop {
        tokio::select! {
            signal = next(signals) => match signal {
                Signal::Stop => return,
                Signal::Reload => upkeep.reload(),
            },
            never = upkeep.run() => match never {},
        }
    }
}

/// The next signal; nothing more comes once the stream has ended.
async fn next(signals: &mut (impl Stream<Item = Signal> + Unpin)) -> Signal {
    match signals.next().await {
        Some(signal) => signal,
        None => std::future::pending().await,
    }
}

/// Listeners that accept nothing yet.
struct Bound {
    relay: BoundServer,
    http: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Bound {
    /// Tries every address, so that all failures are told; `None` if there was one.
    async fn all(config: &Config, builder: ServerBuilder) -> Option<Self> {
        let (listen, http_listen) = match &config.mode {
            Mode::Insecure { listen } => (listen, None),
            Mode::Tls {
                listen,
                certificates,
                ..
            } => match certificates {
                CertificateSource::Acme(acme) => (listen, Some(&acme.http_listen)),
                CertificateSource::Files { .. } => (listen, None),
            },
        };
        let relay = bind(listen)
            .await
            .and_then(|listener| builder.with_listener(listener))
            .map_err(|error| failed(listen, &error));
        let http = match http_listen {
            Some(addr) => bind(addr)
                .await
                .map(Some)
                .map_err(|error| failed(addr, &error)),
            None => Ok(None),
        };
        let metrics = match config.metrics_listen {
            Some(addr) => TcpListener::bind(addr)
                .await
                .map(Some)
                .map_err(|error| failed(addr, &error)),
            None => Ok(None),
        };
        Some(Self {
            relay: relay.ok()?,
            http: http.ok()?,
            metrics: metrics.ok()?,
        })
    }

    fn serve(
        self,
        challenges: Option<ChallengePage>,
        metrics: impl FnOnce(&Server) -> MetricsPage,
    ) -> Serving {
        let http = self
            .http
            .zip(challenges)
            .map(|(listener, page)| PageServer::start(listener, Arc::new(page)));
        let relay = self.relay.serve();
        info!(addr = %relay.local_addr(), "listening");
        let metrics = self
            .metrics
            .map(|listener| PageServer::start(listener, Arc::new(metrics(&relay))));
        Serving {
            relay,
            http,
            metrics,
        }
    }
}

/// What takes part in the drain.
struct Serving {
    relay: Server,
    http: Option<PageServer>,
    metrics: Option<PageServer>,
}

impl Serving {
    fn servers(&self) -> Vec<&dyn DrainServer> {
        let pages = self.http.iter().chain(&self.metrics);
        std::iter::once(&self.relay as &dyn DrainServer)
            .chain(pages.map(|page| page as &dyn DrainServer))
            .collect()
    }
}

fn failed(addr: impl Display, err: &io::Error) {
    error!(%addr, %err, "listener failed");
}

fn transport(config: &Config, max_connections: NonZeroUsize) -> relay_transport::Config {
    let admission = &config.admission;
    relay_transport::Config::default()
        .version(VERSION)
        .max_connections(max_connections.get())
        .max_connections_per_client(admission.connections_per_ip(max_connections))
        .rate_limit(admission.rate_limit)
        .forwarded_for(admission.forwarded_for.clone())
        .proxy_protocol(match &config.mode {
            Mode::Insecure { .. } => ProxyProtocol::Off,
            Mode::Tls { proxy_protocol, .. } => proxy_protocol.clone(),
        })
}

fn allowed_connections(config: &Config) -> NonZeroUsize {
    let allowed = nofile::allowed_connections(
        config.admission.max_connections,
        nofile::raise(),
        nofile::RESERVED_FILES,
    );
    if allowed.is_lowered() {
        let fix = "raise RLIMIT_NOFILE or lower --max-connections";
        let (from, to) = (allowed.requested.get(), allowed.connections.get());
        warn!(
            from,
            to, fix, "max connections lowered to what the open-file limit allows"
        );
    }
    allowed.connections
}

async fn drain(
    deadline: Duration,
    registry: &Registry,
    servers: &[&dyn DrainServer],
    mut signals: impl Stream<Item = Signal> + Unpin,
) {
    let ctx = ShutdownContext::new().deadline(deadline);
    let cut = ctx.cut_handle();
    let mut drained = std::pin::pin!(shutdown(ctx, registry, servers));
    let stop = async { while next(&mut signals).await != Signal::Stop {} };
    let report = tokio::select! {
        report = &mut drained => report,
        () = stop => {
            warn!("second shutdown signal; cutting");
            cut.cut();
            drained.await
        }
    };
    report::log(&report);
}
