//! A relay in this process, on a port of its own.

use std::net::SocketAddr;

use relay_core::{Limits, Registry};
use relay_shutdown::{ShutdownContext, ShutdownReport, shutdown};
use relay_transport::{Config, Server, ServerBuilder};

use super::envelope::conn_id;
use super::http::{Request, Response};
use super::log;
use super::raw::{RawPeer, Socket};

/// A serving relay.
pub(crate) struct Relay {
    pub(crate) registry: Registry,
    pub(crate) server: Server,
    pub(crate) addr: SocketAddr,
}

impl Relay {
    /// One with the timers and bounds that operators get.
    pub(crate) async fn start() -> Self {
        Self::with(Config::default(), Limits::default()).await
    }

    pub(crate) async fn with(config: Config, limits: Limits) -> Self {
        log::collect();
        let registry = Registry::new(limits);
        let builder = ServerBuilder::new(registry.clone()).config(config);
        let bound = builder.bind("127.0.0.1:0").await.expect("a port");
        Self {
            addr: bound.local_addr(),
            server: bound.serve(),
            registry,
        }
    }

    pub(crate) async fn shutdown(&self, ctx: ShutdownContext) -> ShutdownReport {
        shutdown(ctx, &self.registry, &[&self.server]).await
    }

    /// A connection after its 101: what becomes of it is to be read.
    pub(crate) async fn dial(&self, request: Request) -> RawPeer {
        self.dial_on(Socket::default(), request).await
    }

    pub(crate) async fn dial_on(&self, socket: Socket, request: Request) -> RawPeer {
        let mut peer = self.connect_on(socket).await;
        peer.upgrade(&request).await;
        peer
    }

    /// A connection on which nothing has been said.
    pub(crate) async fn connect(&self) -> RawPeer {
        self.connect_on(Socket::default()).await
    }

    pub(crate) async fn connect_on(&self, socket: Socket) -> RawPeer {
        let connected = RawPeer::connect(self.addr, socket).await;
        connected.expect("a listener")
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: Request) -> Response {
        self.connect().await.ask(&request).await
    }

    /// A binary that holds `server_id`.
    pub(crate) async fn binary(&self, server_id: &str) -> RawPeer {
        self.binary_on(Socket::default(), server_id).await
    }

    pub(crate) async fn binary_on(&self, socket: Socket, server_id: &str) -> RawPeer {
        let mut binary = self.dial_on(socket, Request::binary(server_id)).await;
        binary.settle().await;
        binary
    }

    /// A phone that is registered.
    pub(crate) async fn phone(&self, server_id: &str) -> RawPeer {
        self.phone_on(Socket::default(), server_id).await
    }

    pub(crate) async fn phone_on(&self, socket: Socket, server_id: &str) -> RawPeer {
        let mut phone = self.dial_on(socket, Request::phone(server_id)).await;
        phone.settle().await;
        phone
    }

    /// A phone that `binary` knows, and the name by which it does.
    pub(crate) async fn known_phone(
        &self,
        server_id: &str,
        binary: &mut RawPeer,
    ) -> (RawPeer, String) {
        self.known_phone_on(Socket::default(), server_id, binary)
            .await
    }

    pub(crate) async fn known_phone_on(
        &self,
        socket: Socket,
        server_id: &str,
        binary: &mut RawPeer,
    ) -> (RawPeer, String) {
        let mut phone = self.dial_on(socket, Request::phone(server_id)).await;
        phone.send_text(r#""hello""#).await;
        let conn_id = conn_id(&binary.text().await);
        (phone, conn_id)
    }

    /// A binary, a phone of it, and the phone's name.
    pub(crate) async fn pair(&self, server_id: &str) -> (RawPeer, RawPeer, String) {
        let mut binary = self.binary(server_id).await;
        let (phone, conn_id) = self.known_phone(server_id, &mut binary).await;
        (binary, phone, conn_id)
    }
}

/// Every test that starts a relay is also a test of its log.
impl Drop for Relay {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            log::assert_clean();
        }
    }
}
