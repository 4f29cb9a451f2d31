//! Binaries and phones on another WebSocket library.

use std::net::{IpAddr, SocketAddr};

use futures_util::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

pub(crate) type Peer = WebSocketStream<TcpStream>;

const BINARY: (&str, &str) = ("/v1/server", "x-pyrycode-version");
const PHONE: (&str, &str) = ("/v1/client", "x-pyrycode-token");

pub(crate) async fn binary(addr: SocketAddr, server_id: &str) -> Peer {
    connect(addr, BINARY, server_id, localhost()).await.unwrap()
}

pub(crate) async fn phone(addr: SocketAddr, server_id: &str) -> Peer {
    connect(addr, PHONE, server_id, localhost()).await.unwrap()
}

/// A phone that calls from another address of this machine; or the status it is refused with.
pub(crate) async fn phone_from(addr: SocketAddr, ip: [u8; 4]) -> Result<Peer, u16> {
    match connect(addr, PHONE, "nobody", ip.into()).await {
        Ok(peer) => Ok(peer),
        Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The status of the close frame that ends this connection; it is answered, and the connection let go.
pub(crate) async fn close_code(peer: Peer) -> u16 {
    close_code_of(peer).await
}

/// The same for any stream.
pub(crate) async fn close_code_of<S>(peer: WebSocketStream<S>) -> u16
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Box::pin(close_frame_of(peer)).await.code.into()
}

/// The close frame, its reason included.
pub(crate) async fn close_frame_of<S>(mut peer: WebSocketStream<S>) -> CloseFrame
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let close = next_close(&mut peer).await;
    rest_of(peer).await;
    close
}

/// The close frame, which is answered with the next read and not before.
pub(crate) async fn next_close<S>(peer: &mut WebSocketStream<S>) -> CloseFrame
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match peer.next().await {
            Some(Ok(Message::Close(Some(close)))) => return close,
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

/// Reads to the end, which answers a close.
pub(crate) async fn rest_of<S>(mut peer: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(_)) = peer.next().await {}
}

fn localhost() -> IpAddr {
    [127, 0, 0, 1].into()
}

/// A peer with these words in the headers that are nobody's business.
pub(crate) async fn connect_with(
    addr: SocketAddr,
    path: &str,
    server_id: &str,
    token: &str,
    agent: &str,
) -> Peer {
    let mut request = format!("ws://{addr}{path}").into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("x-pyrycode-server", server_id.parse().unwrap());
    headers.insert("x-pyrycode-version", "1".parse().unwrap());
    headers.insert("x-pyrycode-token", token.parse().unwrap());
    headers.insert("user-agent", agent.parse().unwrap());
    let tcp = TcpStream::connect(addr).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    client_async(request, tcp).await.unwrap().0
}

async fn connect(
    addr: SocketAddr,
    (path, own_header): (&str, &str),
    server_id: &str,
    from: IpAddr,
) -> Result<Peer, tungstenite::Error> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let tcp = socket.connect(addr).await?;
    // Two small messages in a row would wait for an acknowledgement.
    tcp.set_nodelay(true)?;
    let mut request = format!("ws://{addr}{path}").into_client_request()?;
    for (name, value) in [
        ("x-pyrycode-server", server_id),
        (own_header, "1\" err=forged"),
        ("user-agent", "test"),
    ] {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(client_async(request, tcp).await?.0)
}
