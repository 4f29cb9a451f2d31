//! Serving, from the first bind to the end of the drain.

use std::num::NonZeroUsize;

use futures_util::{Stream, StreamExt};
use relay_core::{DrainServer, Limits, Registry};
use relay_shutdown::{ShutdownContext, shutdown};
use relay_transport::{ProxyProtocol, Server, ServerBuilder};
use tracing::{error, info, warn};

use crate::boot::inherited::{Inherited, Parent};
use crate::boot::nofile;
use crate::challenges::ChallengePage;
use crate::config::{CertificateSource, Config, Mode};
use crate::exit::Exit;
use crate::metrics::MetricsPage;
use crate::push::Push;
use crate::report;
use crate::run::VERSION;
use crate::signals::Signal;
use crate::supervisor::Supervisor;
use crate::tls_mode::Certified;
use crate::upgrade::Program;

mod bound;
mod reign;

use bound::Bound;
use reign::{End, Reign};

/// Who this process belongs to, and how to make another of its kind.
#[derive(Debug, Default)]
pub(crate) struct Kin {
    pub(crate) supervisor: Supervisor,
    pub(crate) parent: Option<Parent>,
    pub(crate) program: Option<Program>,
}

/// Serves until a stop is requested or a listener dies, and drains; or fails to bind.
pub(crate) async fn serve(
    config: &Config,
    mut inherited: Inherited,
    kin: Kin,
    certified: Certified,
    push: Push,
    signals: impl Stream<Item = Signal> + Unpin,
) -> Exit {
    let bind = async |builder| Bound::all(config, &mut inherited, builder).await;
    serve_on(bind, config, kin, certified, push, signals).await
}

async fn serve_on(
    bind: impl AsyncFnOnce(ServerBuilder) -> Option<Bound>,
    config: &Config,
    kin: Kin,
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

    // A name takes as long to resolve as its resolver likes, and a stop need not wait for that.
    let bound = tokio::select! {
        biased;
        () = stop(&mut signals) => {
            info!("shutdown signal received; draining");
            drain(config, &registry, &[], signals).await;
            push.stop().await;
            return Exit::Ok;
        }
        bound = bind(certified.protect(builder)) => bound,
    };
    let Some(bound) = bound else {
        error!("listener error; draining");
        drain(config, &registry, &[], signals).await;
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
    let mut serving = bound.serve(challenges, page);
    // Until the end: a drain that hangs is noticed too.
    let watchdog = kin.supervisor.watchdog();
    match kin.parent {
        Some(parent) => parent.let_go(),
        None => kin.supervisor.ready(),
    }

    let mut reign = Reign {
        serving: &serving,
        supervisor: &kin.supervisor,
        program: kin.program.as_ref(),
        upkeep: &mut certified.upkeep,
        successor: None,
    };
    let end = reign.until_over(&mut signals).await;
    drop(reign);
    if let End::Succeeded { pid } = end {
        drop(watchdog);
        kin.supervisor.replaced_by(pid);
        tokio::select! {
            () = serving.release_listeners() => {}
            () = stop(&mut signals) => {}
        }
    } else {
        serving.forget_handles();
        kin.supervisor.stopping();
    }
    drain(config, &registry, &serving.servers(), signals).await;
    push.stop().await;
    match end {
        End::Stopped | End::Succeeded { .. } => Exit::Ok,
        End::ListenerFailed => Exit::Failure,
    }
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

/// The next signal; nothing more comes once the stream has ended.
async fn next(signals: &mut (impl Stream<Item = Signal> + Unpin)) -> Signal {
    match signals.next().await {
        Some(signal) => signal,
        None => std::future::pending().await,
    }
}

/// The next request to end, whatever else is asked before.
async fn stop(signals: &mut (impl Stream<Item = Signal> + Unpin)) {
    while next(signals).await != Signal::Stop {}
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
    config: &Config,
    registry: &Registry,
    servers: &[&dyn DrainServer],
    mut signals: impl Stream<Item = Signal> + Unpin,
) {
    let ctx = ShutdownContext::new()
        .deadline(config.drain_deadline)
        .spread(config.drain_spread);
    let cut = ctx.cut_handle();
    let mut drained = std::pin::pin!(shutdown(ctx, registry, servers));
    let report = tokio::select! {
        report = &mut drained => report,
        () = stop(&mut signals) => {
            warn!("second shutdown signal; cutting");
            cut.cut();
            drained.await
        }
    };
    report::log(&report);
}

#[cfg(test)]
mod tests;
