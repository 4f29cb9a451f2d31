//! Serving: every listener bound before one of them accepts, then the drain.

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use relay_core::{DrainServer, Limits, Registry};
use relay_shutdown::{ShutdownContext, shutdown};
use relay_transport::{BoundServer, ServerBuilder};
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::boot::nofile;
use crate::config::Config;
use crate::exit::Exit;
use crate::listener::{PageServer, bind};
use crate::metrics::MetricsPage;
use crate::report;
use crate::run::VERSION;
use crate::signals::StopRequest;

/// Serves until a stop is requested, and drains; or fails to bind.
pub(crate) async fn serve(
    config: &Config,
    mut signals: impl Stream<Item = StopRequest> + Unpin,
) -> Exit {
    let listen = config.listen.to_string();
    info!(version = VERSION, mode = "insecure", listen, "starting");
    if let Some(addr) = config.metrics_listen {
        info!(listen = %addr, "starting metrics listener");
    }
    let queue_memory = usize::try_from(config.queue_memory).unwrap_or(usize::MAX);
    let registry = Registry::new(Limits::default().queue_memory(queue_memory));
    let max_connections = allowed_connections(config);
    let transport = transport(config, max_connections);
    let builder = ServerBuilder::new(registry.clone()).config(transport);

    let Some((relay, page)) = bind_all(config, builder).await else {
        error!("listener error; draining");
        drain(config.drain_deadline, &registry, &[], signals).await;
        return Exit::Failure;
    };
    let server = relay.serve();
    info!(addr = %server.local_addr(), "listening");
    let page = page.map(|listener| {
        let page = MetricsPage {
            registry: registry.clone(),
            service: server.service().clone(),
            max_connections: max_connections.get(),
        };
        PageServer::start(listener, Arc::new(page))
    });

    if signals.next().await.is_none() {
        std::future::pending::<()>().await;
    }
    info!("shutdown signal received; draining");
    let mut servers: Vec<&dyn DrainServer> = vec![&server];
    servers.extend(page.as_ref().map(|page| page as &dyn DrainServer));
    drain(config.drain_deadline, &registry, &servers, signals).await;
    Exit::Ok
}

/// Tries every address, so that all failures are told; `None` if there was one.
async fn bind_all(
    config: &Config,
    builder: ServerBuilder,
) -> Option<(BoundServer, Option<TcpListener>)> {
    let relay = bind(&config.listen)
        .await
        .and_then(|listener| builder.with_listener(listener))
        .map_err(|error| failed(&config.listen, &error));
    let page = match config.metrics_listen {
        None => Ok(None),
        Some(addr) => TcpListener::bind(addr)
            .await
            .map(Some)
            .map_err(|error| failed(addr, &error)),
    };
    relay.ok().zip(page.ok())
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
    mut signals: impl Stream<Item = StopRequest> + Unpin,
) {
    let ctx = ShutdownContext::new().deadline(deadline);
    let cut = ctx.cut_handle();
    let mut drained = std::pin::pin!(shutdown(ctx, registry, servers));
    let report = tokio::select! {
        report = &mut drained => report,
        Some(StopRequest) = signals.next() => {
            warn!("second shutdown signal; cutting");
            cut.cut();
            drained.await
        }
    };
    report::log(&report);
}
