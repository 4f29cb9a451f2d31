//! Requests as bytes and answers as they come.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// `None` if nobody listens there yet.
pub(crate) async fn try_get(addr: SocketAddr, path: &str) -> Option<Answer> {
    let tcp = TcpStream::connect(addr).await.ok()?;
    Some(exchange(tcp, &request(HOST, "GET", path, &[])).await)
}

pub(crate) async fn get(addr: SocketAddr, path: &str) -> Answer {
    send(addr, "GET", path, &[]).await
}

pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let tcp = TcpStream::connect(addr).await.unwrap();
    exchange(tcp, &request(HOST, method, path, headers)).await
}

/// From another address of this machine.
pub(crate) async fn send_from(
    ip: [u8; 4],
    addr: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ip, 0).into()).unwrap();
    let tcp = socket.connect(addr).await.unwrap();
    exchange(tcp, &request(HOST, "GET", path, headers)).await
}

pub(crate) async fn send_to_host(addr: SocketAddr, host: &str, path: &str) -> Answer {
    let tcp = TcpStream::connect(addr).await.unwrap();
    exchange(tcp, &request(host, "GET", path, &[])).await
}

/// On a stream that is there already.
pub(crate) async fn ask<S>(stream: S, host: &str, path: &str) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    exchange(stream, &request(host, "GET", path, &[])).await
}

const HOST: &str = "relay.test";

fn request(host: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text
}

async fn exchange<S>(mut stream: S, request: &str) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
