//! The listeners: all of them bound before one accepts, and all of them drained together.

use std::fmt::Display;
use std::io;
use std::sync::Arc;

use relay_core::DrainServer;
use relay_transport::{BoundServer, Server, ServerBuilder};
use tokio::net::TcpListener;
use tracing::{error, info};

use crate::challenges::ChallengePage;
use crate::config::{CertificateSource, Config, Mode};
use crate::listener::{PageServer, bind};
use crate::metrics::MetricsPage;

/// Listeners that accept nothing yet.
pub(super) struct Bound {
    relay: BoundServer,
    http: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Bound {
    /// Tries every address, so that all failures are told; `None` if there was one.
    pub(super) async fn all(config: &Config, builder: ServerBuilder) -> Option<Self> {
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

    pub(super) fn serve(
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
pub(super) struct Serving {
    relay: Server,
    http: Option<PageServer>,
    metrics: Option<PageServer>,
}

impl Serving {
    pub(super) fn servers(&self) -> Vec<&dyn DrainServer> {
        let pages = self.http.iter().chain(&self.metrics);
        std::iter::once(&self.relay as &dyn DrainServer)
            .chain(pages.map(|page| page as &dyn DrainServer))
            .collect()
    }
}

fn failed(addr: impl Display, err: &io::Error) {
    error!(%addr, %err, "listener failed");
}
