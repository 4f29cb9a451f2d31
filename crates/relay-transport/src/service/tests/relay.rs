//! A relay behind hyper, without sockets: each dial is a pipe.

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::task::JoinSet;

use super::*;

pub(super) struct Relay {
    pub(super) service: RelayService,
    pub(super) registry: Registry,
    /// Bytes that each direction of a connection holds before a write has to wait.
    pub(super) pipe_bytes: usize,
    http: JoinSet<()>,
}

/// The request of a binary for this server-id.
pub(super) fn server(id: &str) -> String {
    request(
        "server",
        &format!("X-Pyrycode-Server: {id}\r\nX-Pyrycode-Version: 1"),
    )
}

/// The request of a phone for this server-id.
pub(super) fn phone(id: &str) -> String {
    request(
        "client",
        &format!("X-Pyrycode-Server: {id}\r\nX-Pyrycode-Token: t"),
    )
}

fn request(path: &str, headers: &str) -> String {
    format!(
        "GET /v1/{path} HTTP/1.1\r\nHost: relay\r\nUser-Agent: test\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n\r\n"
    )
}

impl Relay {
    pub(super) fn new() -> Self {
        Self::with(Limits::default(), Config::default())
    }

    pub(super) fn with(limits: Limits, config: Config) -> Self {
        let registry = Registry::new(limits);
        Self {
            service: ServerBuilder::new(registry.clone())
                .config(config)
                .into_service(),
            registry,
            pipe_bytes: 1 << 20,
            http: JoinSet::new(),
        }
    }

    /// Dials from an address of its own and returns the answer's status.
    pub(super) async fn dial(&mut self, request: impl AsRef<[u8]>) -> (u16, Client) {
        let host = 1 + self.http.len();
        self.dial_from([192, 0, 2, u8::try_from(host).unwrap()], request)
            .await
    }

    pub(super) async fn dial_from(
        &mut self,
        ip: [u8; 4],
        request: impl AsRef<[u8]>,
    ) -> (u16, Client) {
        let (ours, theirs) = tokio::io::duplex(self.pipe_bytes);
        let peer = self.service.for_peer((ip, 40_000).into());
        let connection = http1::Builder::new()
            .serve_connection(TokioIo::new(ours), peer)
            .with_upgrades();
        self.http.spawn(async {
            // How it ended shows in what the client reads.
            let _ = connection.await;
        });
        let mut client = Client::new(theirs);
        client.send(request).await;
        let status = status(&mut client).await;
        (status, client)
    }

    pub(super) async fn upgrade(&mut self, request: impl AsRef<[u8]>) -> Client {
        let (status, client) = self.dial(request).await;
        assert_eq!(status, 101);
        client
    }

    pub(super) fn slots(&self) -> usize {
        self.service.shared.admission.connections()
    }
}

/// Reads an answer's head, and nothing behind it.
async fn status(client: &mut Client<DuplexStream>) -> u16 {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.byte().await.expect("an answer"));
    }
    let head = String::from_utf8(head).expect("ASCII");
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status
        .and_then(|status| status.parse().ok())
        .expect("a status")
}
