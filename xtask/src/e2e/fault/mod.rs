//! A TCP proxy between a peer and a relay that does what bad networks do, by plan, at a byte, and while it runs.
//!
//! Owns the sockets of both sides and their ends: FIN or RST. It does not know what the bytes mean.
//! A host that vanishes without its acknowledgements is not among the faults: that takes a packet filter.
//! A window of one byte is a [`Fault::Dribble`] behind a [`Proxy::narrow`]: the kernel's smallest receive buffer, of
//! which one byte at a time is read.

mod plan;
mod way;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(super) use plan::{Fault, Plan};
pub(super) use way::Way;
use way::{Carrier, Ended, way};

use super::http::Request;
use super::raw::RawPeer;
use super::relay::Relay;

/// What the kernel makes its smallest receive buffer of.
const NARROWEST_BUFFER: u32 = 1;

/// Connections that were accepted and not asked for yet.
const MAX_UNCLAIMED: usize = 1024;

/// A proxy in front of one relay; its connections end with it.
#[derive(Debug)]
pub(super) struct Proxy {
    addr: SocketAddr,
    links: mpsc::Receiver<Link>,
    _accepting: JoinSet<()>,
}

/// One proxied connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) to_relay: Way,
    pub(super) to_peer: Way,
}

impl Link {
    /// The same in both directions.
    pub(super) async fn set(&self, fault: Fault) {
        self.to_relay.set(fault).await;
        self.to_peer.set(fault).await;
    }
}

impl Proxy {
    /// A proxy that passes everything, at first.
    ///
    /// # Errors
    ///
    /// There is no port for it.
    pub(super) async fn before(relay: &Relay) -> anyhow::Result<Self> {
        Self::start(relay.addr(), None).await
    }

    /// The same, with the smallest receive buffer there is on the relay's side: what is not read on piles up there.
    ///
    /// # Errors
    ///
    /// There is no port for it.
    pub(super) async fn narrow(relay: &Relay) -> anyhow::Result<Self> {
        Self::start(relay.addr(), Some(NARROWEST_BUFFER)).await
    }

    async fn start(relay: SocketAddr, receive_buffer: Option<u32>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("could not bind the proxy")?;
        let addr = listener.local_addr()?;
        let (new, links) = mpsc::channel(MAX_UNCLAIMED);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, relay, receive_buffer, new));
        Ok(Self {
            addr,
            links,
            _accepting: accepting,
        })
    }

    /// A connection on which nothing was said yet, and its handle.
    ///
    /// # Errors
    ///
    /// The relay does not accept.
    pub(super) async fn dial(&mut self) -> anyhow::Result<(RawPeer, Link)> {
        let peer = RawPeer::dial(self.addr).await?;
        let link = self.links.recv().await;
        Ok((peer, link.context("the proxy does not accept any more")?))
    }

    /// A daemon that holds `server_id`.
    ///
    /// # Errors
    ///
    /// It was not let in.
    pub(super) async fn binary(
        &mut self,
        relay: &Relay,
        server_id: &str,
    ) -> anyhow::Result<(RawPeer, Link)> {
        let mark = relay.log().mark();
        let (mut peer, link) = self.dial().await?;
        peer.handshake(&Request::binary(server_id)).await?;
        relay
            .log()
            .event(mark, "server_claimed", &[("server_id", server_id)])
            .await?;
        Ok((peer, link))
    }

    /// A phone registered under `server_id`, and its conn_id.
    ///
    /// # Errors
    ///
    /// It was not let in.
    pub(super) async fn phone(
        &mut self,
        relay: &Relay,
        server_id: &str,
    ) -> anyhow::Result<(RawPeer, String, Link)> {
        let (request, name) = Request::named_phone(server_id);
        let mark = relay.log().mark();
        let (mut peer, link) = self.dial().await?;
        peer.handshake(&request).await?;
        let conn_id = relay.registered(mark, &name).await?;
        Ok((peer, conn_id, link))
    }
}

async fn accept(
    listener: TcpListener,
    relay: SocketAddr,
    receive_buffer: Option<u32>,
    new: mpsc::Sender<Link>,
) {
    let mut links = JoinSet::new();
    while let Ok((peer, _)) = listener.accept().await {
        // A relay that refuses ends the peer's connection, as a refusal would.
        let Ok(relay) = dial(relay, receive_buffer).await else {
            continue;
        };
        if peer.set_nodelay(true).is_err() {
            continue;
        }
        let (to_relay, up) = way();
        let (to_peer, down) = way();
        links.spawn(carry(peer, relay, up, down));
        if new.send(Link { to_relay, to_peer }).await.is_err() {
            return;
        }
    }
}

async fn dial(relay: SocketAddr, receive_buffer: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(relay).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Carries both directions to the end of the connection, and makes the end what the plans say.
async fn carry(mut peer: TcpStream, mut relay: TcpStream, up: Carrier, down: Carrier) {
    let ended = {
        let mut up = std::pin::pin!(up.run(&peer, &relay));
        let mut down = std::pin::pin!(down.run(&relay, &peer));
        let first = tokio::select! {
            ended = &mut up => (ended, true),
            ended = &mut down => (ended, false),
        };
        match first {
            (Ended::InOrder, true) => down.await,
            (Ended::InOrder, false) => up.await,
            (ended, _) => ended,
        }
    };
    match ended {
        Ended::InOrder => {}
        Ended::Cleanly => {
            for stream in [&peer, &relay] {
                // Fails where that side has gone already.
                let _ = socket2::SockRef::from(stream).shutdown(Shutdown::Write);
            }
            // Closing over unread bytes would be a reset.
            tokio::join!(read_to_end(&mut peer), read_to_end(&mut relay));
        }
        Ended::Abruptly => {
            for stream in [&peer, &relay] {
                let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
        }
    }
}

async fn read_to_end(stream: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
}
