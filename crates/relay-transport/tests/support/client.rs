//! A peer on tokio-tungstenite, a WebSocket stack that shares no code with the relay's.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::{Message, handshake::client::generate_key};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long a peer waits for the relay before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon or a phone.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// A daemon.
    pub(crate) async fn binary(addr: SocketAddr, server_id: &str) -> Self {
        let version = ("x-pyrycode-version", "1.2.3");
        Self::dial(addr, "/v1/server", server_id, version).await
    }

    /// A phone.
    pub(crate) async fn phone(addr: SocketAddr, server_id: &str) -> Self {
        let token = ("x-pyrycode-token", "planted-token-5Yv1");
        Self::dial(addr, "/v1/client", server_id, token).await
    }

    async fn dial(addr: SocketAddr, path: &str, server_id: &str, extra: (&str, &str)) -> Self {
        let request = Request::get(format!("ws://{addr}{path}"))
            .header("x-pyrycode-server", server_id)
            .header(extra.0, extra.1)
            .header("user-agent", "planted-user-agent/5Yv2")
            .header("host", addr.to_string())
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .body(())
            .expect("a request");
        let stream = TcpStream::connect(addr).await.expect("a listener");
        stream.set_nodelay(true).expect("an open socket");
        let (socket, _response) = client_async(request, stream).await.expect("a 101");
        Self { socket }
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, text: String) {
        let sent = self.socket.send(Message::text(text)).await;
        sent.expect("a peer that takes messages");
    }

    /// The next text message.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Some(Message::Text(text)) => return text.to_string(),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a text message, not {other:?}"),
            }
        }
    }

    /// The next message; `None` at an orderly end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        let message = next.expect("something within the test's patience");
        message.transpose().expect("no end without a close")
    }

    /// Reads a close frame next, answers it, and sees the stream end cleanly; the code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let close = loop {
            match self.next().await {
                Some(Message::Close(Some(close))) => break close,
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a close frame, not {other:?}"),
            }
        };
        assert_eq!(self.next().await, None, "the end of the stream");
        (close.code.into(), close.reason.to_string())
    }
}
