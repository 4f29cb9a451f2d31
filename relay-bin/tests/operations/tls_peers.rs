//! What talks TLS to a relay, and the certificates it is served with.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::ca;
use crate::http::{self, Answer};
use crate::scratch::Scratch;

pub(crate) const DOMAIN: &str = "relay.example.com";

pub(crate) type Tls = TlsStream<TcpStream>;
pub(crate) type Peer = WebSocketStream<Tls>;

/// A certificate that is its own root, as PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// For [`DOMAIN`], and good for centuries.
pub(crate) fn issue() -> Issued {
    issue_for(DOMAIN, |_| ())
}

pub(crate) fn issue_for(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    change(&mut params);
    Issued {
        chain: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

impl Issued {
    /// Writes two files; the flags that name them.
    pub(crate) fn write(&self, scratch: &Scratch) -> [String; 2] {
        let chain = scratch.file("chain.pem", &self.chain);
        let key = scratch.file("key.pem", &self.key);
        let flag = |name, path: &Path| format!("--{name}={}", path.display());
        [flag("tls-cert", &chain), flag("tls-key", &key)]
    }

    /// A client that trusts this certificate and no other.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_of(rustls::ALL_VERSIONS)
    }

    pub(crate) fn client_of(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        ca::client(self.chain.as_bytes(), versions)
    }
}

pub(crate) async fn handshake(
    tcp: TcpStream,
    config: ClientConfig,
    name: &'static str,
) -> io::Result<Tls> {
    let name = ServerName::try_from(name).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, tcp);
    Box::pin(connecting).await
}

pub(crate) async fn connect(addr: SocketAddr, config: ClientConfig, name: &'static str) -> Tls {
    let tcp = TcpStream::connect(addr).await.unwrap();
    handshake(tcp, config, name).await.unwrap()
}

/// The answer to a request on a connection of its own.
pub(crate) async fn ask(addr: SocketAddr, issued: &Issued, host: &str, path: &str) -> Answer {
    let tls = connect(addr, issued.client(), DOMAIN).await;
    http::ask(tls, host, path).await
}

pub(crate) async fn binary(tls: Tls, host: &str, server_id: &str) -> Peer {
    upgrade(tls, host, "/v1/server", "x-pyrycode-version", server_id).await
}

pub(crate) async fn phone(tls: Tls, host: &str, server_id: &str) -> Peer {
    upgrade(tls, host, "/v1/client", "x-pyrycode-token", server_id).await
}

async fn upgrade(
    tls: Tls,
    host: &str,
    path: &str,
    own_header: &'static str,
    server_id: &str,
) -> Peer {
    let mut request = format!("wss://{host}{path}").into_client_request().unwrap();
    for (name, value) in [
        ("x-pyrycode-server", server_id),
        (own_header, "1"),
        ("user-agent", "test"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    Box::pin(client_async(request, tls)).await.unwrap().0
}

/// The first flight of a client that asks for `name`; for an address as name, without SNI.
pub(crate) fn client_hello(config: ClientConfig, name: &'static str) -> Vec<u8> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// Everything that comes back for these bytes on a connection of its own, up to its end.
pub(crate) async fn answer_to(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    rest_of(tcp).await
}

pub(crate) async fn rest_of(mut tcp: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = tcp.read_to_end(&mut answer).await;
    answer
}
