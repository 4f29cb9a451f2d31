//! PROXY headers on the executable: whom its log and its limits take a connection to be from.

use std::io::ErrorKind;
use std::net::SocketAddr;

use rustls::pki_types::CertificateDer;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http};

use crate::executable::Executable;
use crate::harness::free_addr;
use crate::http::try_get;
use crate::scratch::Scratch;
use crate::tls;

const PROXY: [u8; 4] = [127, 0, 0, 7];

async fn connect_from(ip: [u8; 4], addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((ip, 0).into()).unwrap();
    socket.connect(addr).await.unwrap()
}

/// A version 2 header: command, family, addresses and whatever follows them.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[0x20 | command, family][..],
        &length,
        body,
    ]
    .concat()
}

/// The status that a binary is answered which the proxy introduces with this header.
async fn claim(
    addr: SocketAddr,
    root: &CertificateDer<'static>,
    header: &[u8],
    server_id: &str,
) -> u16 {
    let mut tcp = connect_from(PROXY, addr).await;
    tcp.write_all(header).await.unwrap();
    let tls = tls::handshake(tcp, root, tls::DOMAIN).await.unwrap();
    let uri = format!("wss://{}/v1/server", tls::DOMAIN);
    let mut request = uri.into_client_request().unwrap();
    for (name, value) in [
        ("x-pyrycode-server", server_id),
        ("x-pyrycode-version", "1"),
        ("user-agent", "test"),
    ] {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    match Box::pin(client_async(request, tls)).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{server_id}: {error}"),
    }
}

#[tokio::test]
async fn o30_o33_the_source_of_either_version_is_who_is_logged_and_limited() {
    let (scratch, issued) = (Scratch::new(), tls::issue());
    let (addr, metrics) = (free_addr(), free_addr());
    let mut args = tls::write(&scratch, &issued).to_vec();
    args.extend([
        format!("--https-listen={addr}"),
        format!("--metrics-listen={metrics}"),
        "--https-proxy-protocol".to_owned(),
        "--trusted-proxy=127.0.0.7".to_owned(),
        "--rate-limit-burst=1".to_owned(),
        "--rate-limit-per-minute=1".to_owned(),
    ]);
    let relay = Executable::start(&args, &[]);
    while try_get(metrics, "/metrics").await.is_none() {
        tokio::task::yield_now().await;
    }

    let tcp4 = [192, 0, 2, 3, 10, 0, 0, 1, 0x30, 0x39, 1, 0xbb];
    let tcp6 = [
        &[0x20, 0x01, 0x0d, 0xb8, 0, 4][..],
        &[0; 26],
        &[0x30, 0x39, 1, 0xbb],
    ]
    .concat();
    let with_tlv = [&tcp4[..], &[0x04, 0, 3, 1, 2, 3]].concat();
    let introduced = [
        (
            "v1-tcp4",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n".to_vec(),
            "192.0.2.1",
            "192.0.2.1",
        ),
        (
            "v1-tcp6",
            b"PROXY TCP6 2001:db8:2::9 ::1 12345 443\r\n".to_vec(),
            "2001:db8:2::9",
            "2001:db8:2::/64",
        ),
        ("v2-tcp4", v2(1, 0x11, &with_tlv), "192.0.2.3", "192.0.2.3"),
        (
            "v2-tcp6",
            v2(1, 0x21, &tcp6),
            "2001:db8:4::",
            "2001:db8:4::/64",
        ),
        // The proxy's own connection, for nobody else.
        ("v2-local", v2(0, 0, &[]), "127.0.0.7", "127.0.0.7"),
    ];
    for (name, header, _, _) in &introduced {
        let first = claim(addr, &issued.root, header, name).await;
        let second = claim(addr, &issued.root, header, name).await;
        assert_eq!((first, second), (101, 429), "{name}");
    }

    // A stranger's header is not even answered.
    let mut stranger = connect_from([127, 0, 0, 8], addr).await;
    stranger.write_all(&introduced[0].1).await.unwrap();
    let refused = tls::handshake(stranger, &issued.root, tls::DOMAIN).await;
    // An alert would be invalid data.
    let kind = refused.expect_err("it is not believed").kind();
    assert!(
        matches!(
            kind,
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
        "{kind}"
    );

    let log = relay.stop().await;
    for (name, _, remote, counted) in introduced {
        let told = |msg: &str, fields: &str| {
            let wanted = format!(" msg={msg} {fields}");
            log.lines().filter(|line| line.ends_with(&wanted)).count()
        };
        let claimed = format!("server_id={name} binary_version=1 remote={remote}");
        assert_eq!(told("server_claimed", &claimed), 1, "{claimed} in {log}");
        let limited = format!(r#"remote="\"{counted}\"""#);
        assert_eq!(told("rate_limited", &limited), 1, "{limited} in {log}");
    }
}
