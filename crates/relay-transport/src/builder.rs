//! From a registry and a config to something that serves; each stage is its own type.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use relay_core::{PushOff, Registry, WakeSink};
use tokio::net::{TcpListener, ToSocketAddrs};

use crate::accept::Accept;
use crate::config::Config;
use crate::server::Server;
use crate::service::{HostGate, RelayService};

/// The first stage: what to serve.
#[derive(Clone)]
pub struct ServerBuilder {
    registry: Registry,
    config: Config,
    accept: Option<Arc<dyn Accept>>,
    host_gate: Option<HostGate>,
    wakes: Arc<dyn WakeSink>,
}

impl ServerBuilder {
    /// A server for this registry, with the default [`Config`].
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            config: Config::default(),
            accept: None,
            host_gate: None,
            wakes: Arc::new(PushOff),
        }
    }

    /// Replaces the config.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Puts something between TCP and HTTP, such as TLS. Without it HTTP is plain.
    ///
    /// It concerns a server with its own listener; a service is handed requests.
    #[must_use]
    pub fn accept_with(mut self, accept: Arc<dyn Accept>) -> Self {
        self.accept = Some(accept);
        self
    }

    /// Decides by its `Host`, port and all, whether a request is for this relay; else it is answered 421, whatever
    /// its path. For names that change while the relay runs; [`Config::hosts`] is for those that do not.
    #[must_use]
    pub fn host_gate(mut self, admits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.host_gate = Some(Arc::new(admits));
        self
    }

    /// Who takes the binaries' wake requests. Default [`PushOff`], which refuses them all.
    #[must_use]
    pub fn wakes(mut self, wakes: Arc<dyn WakeSink>) -> Self {
        self.wakes = wakes;
        self
    }

    /// Binds a listener of the server's own, in whose queue 4096 connects may wait if the system allows as many.
    ///
    /// # Errors
    /// When the address cannot be resolved or bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<BoundServer> {
        let listener = TcpListener::bind(address).await?;
        // Asking a listening socket again changes the length of its queue and nothing else.
        socket2::SockRef::from(&listener).listen(MAX_WAITING)?;
        self.with_listener(listener)
    }

    /// Takes a listener that is bound already.
    ///
    /// # Errors
    /// When the listener's address cannot be read.
    pub fn with_listener(self, listener: TcpListener) -> io::Result<BoundServer> {
        let local_addr = listener.local_addr()?;
        Ok(BoundServer {
            listener,
            local_addr,
            builder: self,
        })
    }

    /// The relay without a listener, for somebody else's server.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    pub fn into_service(self) -> RelayService {
        RelayService::new(self.registry, self.config, self.host_gate, self.wakes)
    }
}

/// The usual 128 are gone in a burst, and whoever finds no place is not answered and tries again after a second.
const MAX_WAITING: i32 = 4096;

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("config", &self.config)
            .field("wraps_connections", &self.accept.is_some())
            .finish_non_exhaustive()
    }
}

/// The second stage: bound, accepting nothing yet; the kernel queues connects meanwhile.
#[derive(Debug)]
pub struct BoundServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    builder: ServerBuilder,
}

impl BoundServer {
    /// Where it is bound; the port is the real one even when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Starts accepting.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    pub fn serve(self) -> Server {
        let accept = self.builder.accept.clone();
        let service = self.builder.into_service();
        Server::start(self.listener, self.local_addr, service, accept)
    }
}
