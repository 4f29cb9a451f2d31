//! The listeners: all of them bound before one accepts, and all of them drained together.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use futures_util::future::{FutureExt, select_all};
use relay_core::{BoxFuture, DrainServer};
use relay_transport::{BoundServer, ListenerError, Server, ServerBuilder};
use tokio::net::TcpListener;
use tracing::{error, info};

use crate::boot::inherited::Inherited;
use crate::challenges::ChallengePage;
use crate::config::{ACME, CertificateSource, Config, HTTP, HTTPS, METRICS, Mode};
use crate::listener::{BoundPage, PageServer, adopt, bind};
use crate::metrics::MetricsPage;

/// Listeners that accept nothing yet.
pub(super) struct Bound {
    pub(super) relay: BoundServer,
    pub(super) http: Option<BoundPage>,
    pub(super) metrics: Option<BoundPage>,
    /// The same sockets again, for a successor.
    pub(super) handles: Handles,
}

/// Listening sockets by name, held apart from those who accept on them.
pub(super) type Handles = Vec<(&'static str, OwnedFd)>;

impl Bound {
    /// Takes the sockets there are and tries every other address, so that all failures are told; `None` if there was
    /// one.
    pub(super) async fn all(
        config: &Config,
        inherited: &mut Inherited,
        builder: ServerBuilder,
    ) -> Option<Self> {
        let (name, listen, acme_listen) = match &config.mode {
            Mode::Insecure { listen } => (HTTP, listen, None),
            Mode::Tls {
                listen,
                certificates,
                ..
            } => match certificates {
                CertificateSource::Acme(acme) => (HTTPS, listen, Some(&acme.http_listen)),
                CertificateSource::Files { .. } => (HTTPS, listen, None),
            },
        };
        let relay = match inherited.listener(name) {
            Some(socket) => adopt(socket),
            None => bind(listen).await,
        };
        let mut handles = Handles::new();
        let mut keep = |name, listener: TcpListener| {
            handles.push((name, listener.as_fd().try_clone_to_owned()?));
            Ok(listener)
        };
        let relay = relay
            .and_then(|listener| keep(name, listener))
            .and_then(|listener| builder.with_listener(listener))
            .map_err(|error| failed(listen, &error));
        let http = match acme_listen {
            Some(addr) => match inherited.listener(ACME) {
                Some(socket) => adopt(socket),
                None => bind(addr).await,
            }
            .and_then(|listener| keep(ACME, listener))
            .and_then(BoundPage::new)
            .map(Some)
            .map_err(|error| failed(addr, &error)),
            None => Ok(None),
        };
        let metrics = match config.metrics_listen {
            Some(addr) => match inherited.listener(METRICS) {
                Some(socket) => adopt(socket),
                None => TcpListener::bind(addr).await,
            }
            .and_then(|listener| keep(METRICS, listener))
            .and_then(BoundPage::new)
            .map(Some)
            .map_err(|error| failed(addr, &error)),
            None => Ok(None),
        };
        Some(Self {
            relay: relay.ok()?,
            http: http.ok()?,
            metrics: metrics.ok()?,
            handles,
        })
    }

    pub(super) fn serve(
        self,
        challenges: Option<ChallengePage>,
        metrics: impl FnOnce(&Server) -> MetricsPage,
    ) -> Serving {
        let http = self.http.zip(challenges);
        let http = http.map(|(bound, page)| bound.serve(Arc::new(page)));
        let relay = self.relay.serve();
        info!(addr = %relay.local_addr(), "listening");
        let metrics = self
            .metrics
            .map(|bound| bound.serve(Arc::new(metrics(&relay))));
        Serving {
            relay,
            pages: http.into_iter().chain(metrics).collect(),
            handles: self.handles,
        }
    }
}

/// What takes part in the drain.
pub(super) struct Serving {
    relay: Server,
    pages: Vec<PageServer>,
    handles: Handles,
}

impl Serving {
    pub(super) fn servers(&self) -> Vec<&dyn DrainServer> {
        let pages = self.pages.iter();
        std::iter::once(&self.relay as &dyn DrainServer)
            .chain(pages.map(|page| page as &dyn DrainServer))
            .collect()
    }

    /// The listening sockets once more, for a successor.
    pub(super) fn sockets(&self) -> io::Result<Handles> {
        let handles = self.handles.iter();
        handles
            .map(|(name, handle)| Ok((*name, handle.try_clone()?)))
            .collect()
    }

    /// Leaves whoever connects to the successor, and waits until everybody who got in has what they came for.
    pub(super) async fn release_listeners(&mut self) {
        self.forget_handles();
        self.relay.release_listener();
        for page in &self.pages {
            page.release_listener();
        }
        self.relay.settled().await;
    }

    /// There will be no successor: a socket is closed as soon as nobody accepts on it.
    pub(super) fn forget_handles(&mut self) {
        self.handles.clear();
    }

    /// Tells of the first listener that has died, and resolves. Level-triggered.
    pub(super) async fn listener_failed(&self) {
        let relay = self.relay.failed();
        let relay = relay.map(|error| (self.relay.local_addr(), error)).boxed();
        let pages = self.pages.iter().map(|page| {
            let failed = page.failed();
            failed.map(|error| (page.local_addr(), error)).boxed()
        });
        let all: Vec<BoxFuture<'_, (SocketAddr, ListenerError)>> =
            std::iter::once(relay).chain(pages).collect();
        let ((addr, err), ..) = select_all(all).await;
        let err: &(dyn std::error::Error + 'static) = &err;
        error!(%addr, err, "listener failed");
    }
}

fn failed(addr: impl Display, err: &io::Error) {
    error!(%addr, %err, "listener failed");
}
