//! Dialling, blocking: a connection is measured once it stands.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::wire;

/// Nothing that is measured takes as long; a peer that does not answer ends the run instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Loopback addresses that connections come from in turn, so that one does not run out of ports.
const SOURCES: usize = 16;

/// A connection with its handshake done, and what came behind the answer.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) stream: TcpStream,
    pub(crate) leftover: Vec<u8>,
}

/// Connects from the loopback address that `number` falls on.
pub(crate) fn connect(target: SocketAddr, number: usize) -> anyhow::Result<TcpStream> {
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2 + (number % SOURCES) as u8));
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect(&target.into()).context("connect")?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Connects and upgrades.
pub(crate) fn dial(
    target: SocketAddr,
    number: usize,
    path: &str,
    server_id: &str,
) -> anyhow::Result<Dialled> {
    let mut stream = connect(target, number)?;
    let leftover = upgrade(&mut stream, path, server_id)?;
    Ok(Dialled { stream, leftover })
}

/// Connects and upgrades inside TLS, for a name.
pub(crate) fn dial_tls(
    target: SocketAddr,
    number: usize,
    config: &Arc<rustls::ClientConfig>,
    name: &str,
    path: &str,
    server_id: &str,
) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = rustls_pki_types::ServerName::try_from(name.to_owned())?;
    let session = ClientConnection::new(Arc::clone(config), name)?;
    let mut stream = StreamOwned::new(session, connect(target, number)?);
    upgrade(&mut stream, path, server_id)?;
    Ok(stream)
}

/// Asks for the upgrade and returns what came behind a 101.
fn upgrade(
    stream: &mut (impl Read + Write),
    path: &str,
    server_id: &str,
) -> anyhow::Result<Vec<u8>> {
    stream.write_all(wire::request(path, server_id).as_bytes())?;
    stream.flush()?;
    let (head, leftover) = read_head(stream)?;
    ensure!(
        head.starts_with(b"HTTP/1.1 101 "),
        "no 101 but {}",
        String::from_utf8_lossy(&head)
    );
    Ok(leftover)
}

/// Listens for a proxy. Accepting gives up in time too, as when the proxy has turned its client away.
pub(crate) fn listen(addr: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(addr).context("bind")?;
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE))?;
    Ok(listener)
}

/// Answers an upgrade that a proxy passes on, whatever its key.
pub(crate) fn accept(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    read_head(stream)?;
    // The answer to the key that all of our clients send.
    stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )?;
    Ok(())
}

fn read_head(stream: &mut impl Read) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut part = [0; 1024];
    loop {
        let read = stream.read(&mut part).context("reading a head")?;
        ensure!(read > 0, "closed inside a head");
        bytes.extend_from_slice(&part[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let leftover = bytes.split_off(end + 4);
            return Ok((bytes, leftover));
        }
    }
}
