//! Handshakes on real sockets, against rustls' client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

use super::{AcceptError, TlsAcceptor, TlsStream};
use crate::certificate::testing::{Authority, DAY};
use crate::certificates::Certificates;
use crate::clock;

const NAME: &str = "relay.example.com";

struct Fixture {
    ca: Authority,
    certificates: Certificates,
    acceptor: TlsAcceptor,
}

fn fixture() -> Fixture {
    let ca = Authority::new();
    let now = clock::now();
    let pair = ca.issue(&[NAME, "*.example.org", "localhost"], now - DAY, now + DAY);
    let certificates = Certificates::holding(pair.certificate(now).unwrap());
    let acceptor = TlsAcceptor::new(&certificates).unwrap();
    Fixture {
        ca,
        certificates,
        acceptor,
    }
}

fn soon() -> Instant {
    clock::instant() + Duration::from_secs(10)
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    (accepted.unwrap().0, connected.unwrap())
}

type Ends = (
    Result<TlsStream, AcceptError>,
    std::io::Result<client::TlsStream<TcpStream>>,
);

impl Fixture {
    async fn handshake(&self, config: rustls::ClientConfig, name: &str) -> Ends {
        let (accepted, connected) = sockets().await;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        tokio::join!(
            self.acceptor.accept(accepted, soon()),
            Box::pin(TlsConnector::from(Arc::new(config)).connect(name, connected)),
        )
    }
}

#[tokio::test]
async fn o24_tls_1_2_and_1_3_succeed_with_the_right_name() {
    let fixture = fixture();
    for (version, expected) in [
        (&TLS12, rustls::ProtocolVersion::TLSv1_2),
        (&TLS13, rustls::ProtocolVersion::TLSv1_3),
    ] {
        let mut config = fixture.ca.client(version);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let (server, client) = fixture.handshake(config, NAME).await;
        let (mut server, mut client) = (server.unwrap(), client.unwrap());
        assert_eq!(client.get_ref().1.protocol_version(), Some(expected));
        assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(server.server_name(), Some(NAME));

        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(&bytes).await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"ping");
    }
}

#[tokio::test]
async fn o24_tls_1_1_gets_an_alert() {
    // A ClientHello that lacks nothing but the version: SNI, signature_algorithms, supported_groups, a suite of ours.
    let mut extensions = vec![0, 0, 0, 22, 0, 20, 0, 0, 17];
    extensions.extend_from_slice(NAME.as_bytes());
    extensions.extend_from_slice(&[0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23]);
    let mut body = vec![3, 2];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
    body.extend_from_slice(&extensions);
    let mut record = vec![0x16, 3, 1];
    record.extend_from_slice(&(body.len() as u16 + 4).to_be_bytes());
    record.extend_from_slice(&[1, 0, 0, body.len() as u8]);
    record.extend_from_slice(&body);

    let (error, answer) = exchange(&fixture().acceptor, &record).await;
    assert!(matches!(error, AcceptError::Handshake { .. }), "{error:?}");
    assert_eq!(answer[0], 0x15, "an alert record: {answer:?}");
    assert_eq!(answer[5..], [2, 70], "fatal, protocol_version");
}

/// What comes back for these bytes, and how the accepting went.
async fn exchange(acceptor: &TlsAcceptor, bytes: &[u8]) -> (AcceptError, Vec<u8>) {
    let (accepted, mut connected) = sockets().await;
    let talk = async {
        connected.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        connected.read_to_end(&mut answer).await.unwrap();
        drop(connected);
        answer
    };
    let (stream, answer) = tokio::join!(acceptor.accept(accepted, soon()), talk);
    (stream.unwrap_err(), answer)
}

#[tokio::test]
async fn o25_another_name_or_none_gets_an_alert() {
    let fixture = fixture();
    for version in [&TLS12, &TLS13] {
        // An address as a name sends no SNI.
        for name in [
            "other.example.com",
            "example.org",
            "a.b.example.org",
            "single",
            "127.0.0.1",
        ] {
            let (server, client) = fixture.handshake(fixture.ca.client(version), name).await;
            assert!(
                matches!(server, Err(AcceptError::Handshake { .. })),
                "{name}"
            );
            let error = client.unwrap_err();
            assert!(
                error.to_string().contains("received fatal alert"),
                "{name}: {error}"
            );
        }
        for name in ["RELAY.example.COM", "any.example.org", "localhost"] {
            let (server, client) = fixture.handshake(fixture.ca.client(version), name).await;
            assert!(server.is_ok() && client.is_ok(), "{name}");
        }
    }
}

/// With a place for [`NAME`] and no certificate yet.
fn awaiting() -> Fixture {
    let domains = crate::Domains::new([NAME]).unwrap();
    let certificates = Certificates::awaiting(&domains);
    Fixture {
        ca: Authority::new(),
        acceptor: TlsAcceptor::new(&certificates).unwrap(),
        certificates,
    }
}

impl Fixture {
    async fn a_handshake_waits(&self) {
        let waits = async {
            while self.certificates.waiting() == 0 {
                tokio::task::yield_now().await;
            }
        };
        let waits = tokio::time::timeout(Duration::from_secs(10), waits);
        waits.await.expect("a handshake waits");
    }
}

#[tokio::test]
async fn a_handshake_waits_for_the_first_certificate() {
    let fixture = awaiting();
    let issued = async {
        fixture.a_handshake_waits().await;
        let certificate = fixture.ca.valid(&[NAME]).certificate(clock::now());
        fixture.certificates.install(0, certificate.unwrap());
    };
    let client = fixture.ca.client(&TLS13);
    let ((server, client), ()) = tokio::join!(fixture.handshake(client, NAME), issued);
    assert!(server.is_ok() && client.is_ok());
}

#[tokio::test]
async fn a_handshake_ends_when_the_first_certificate_is_not_to_be_had() {
    let fixture = awaiting();
    let refused = async {
        fixture.a_handshake_waits().await;
        fixture.certificates.report(0, Some("no".to_owned()));
    };
    let client = fixture.ca.client(&TLS13);
    let ((server, client), ()) = tokio::join!(fixture.handshake(client, NAME), refused);
    assert!(matches!(server, Err(AcceptError::Handshake { .. })));
    let error = client.unwrap_err().to_string();
    assert!(error.contains("received fatal alert"), "{error}");
}

#[tokio::test]
async fn a_handshake_waits_no_longer_than_its_deadline_and_not_for_strangers() {
    let fixture = awaiting();
    let client = fixture.ca.client(&TLS13);
    let (server, _) = fixture.handshake(client, "other.example.com").await;
    assert!(matches!(server, Err(AcceptError::Handshake { .. })));

    let (accepted, connected) = sockets().await;
    let config = Arc::new(fixture.ca.client(&TLS13));
    let name = ServerName::try_from(NAME).unwrap();
    let deadline = clock::instant() + Duration::from_millis(50);
    let (server, client) = tokio::join!(
        fixture.acceptor.accept(accepted, deadline),
        Box::pin(TlsConnector::from(config).connect(name, connected)),
    );
    assert!(matches!(server, Err(AcceptError::TimedOut)));
    assert!(client.is_err());
}

#[tokio::test]
async fn a_swapped_certificate_serves_the_next_handshake_and_leaves_connections_up() {
    let fixture = fixture();
    let config = fixture.ca.client(&TLS13);
    let (server, client) = fixture.handshake(config.clone(), NAME).await;
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    let before = client.get_ref().1.peer_certificates().unwrap()[0].clone();

    let now = clock::now();
    let pair = fixture.ca.issue(&[NAME], now - DAY, now + DAY);
    fixture.certificates.replace(pair.certificate(now).unwrap());

    let fresh = fixture.ca.client(&TLS13);
    let (_, renewed) = fixture.handshake(fresh, NAME).await;
    assert_ne!(
        renewed.unwrap().get_ref().1.peer_certificates().unwrap()[0],
        before
    );
    client.write_all(b"up").await.unwrap();
    let mut bytes = [0; 2];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"up");
    let (server, _) = fixture
        .handshake(fixture.ca.client(&TLS13), "localhost")
        .await;
    assert!(
        server.is_err(),
        "the names that are let in follow the certificate"
    );
}

#[tokio::test]
async fn a_returning_client_resumes() {
    let fixture = fixture();
    for version in [&TLS12, &TLS13] {
        let config = fixture.ca.client(version);
        for expected in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let (server, client) = fixture.handshake(config.clone(), NAME).await;
            let (mut server, mut client) = (server.unwrap(), client.unwrap());
            assert_eq!(client.get_ref().1.handshake_kind(), Some(expected));
            // A TLS 1.3 ticket is read with the first bytes after the handshake.
            server.write_all(b"x").await.unwrap();
            server.flush().await.unwrap();
            client.read_u8().await.unwrap();
        }
    }
}

#[tokio::test]
async fn o29_plain_http_is_told_so() {
    let fixture = fixture();
    let long = format!(
        "POST / HTTP/1.1\r\nHost: {NAME}\r\n\r\n{}",
        "x".repeat(8 << 10)
    );
    for request in ["GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "\0", &long] {
        let (error, answer) = exchange(&fixture.acceptor, request.as_bytes()).await;
        assert!(matches!(error, AcceptError::NotTls), "{error:?}");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 400"), "{answer}");
        assert!(answer.ends_with("to an HTTPS server.\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_silent_peer_is_dropped_at_the_deadline() {
    let fixture = fixture();
    for sent in [&b""[..], &[0x16], &[0x16, 3, 1, 0, 200, 1]] {
        let (accepted, mut connected) = sockets().await;
        connected.write_all(sent).await.unwrap();
        let deadline = clock::instant() + Duration::from_millis(50);
        let error = fixture
            .acceptor
            .accept(accepted, deadline)
            .await
            .unwrap_err();
        assert!(matches!(error, AcceptError::TimedOut), "{error:?}");
        let mut answer = Vec::new();
        let _ = connected.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
    }
}

#[tokio::test]
async fn a_peer_that_leaves_is_an_error() {
    let (accepted, connected) = sockets().await;
    drop(connected);
    let error = fixture()
        .acceptor
        .accept(accepted, soon())
        .await
        .unwrap_err();
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_stream_and_the_future_that_makes_it_are_small() {
    assert_eq!(size_of::<TlsStream>(), size_of::<usize>());
    let (accepted, _connected) = sockets().await;
    let fixture = fixture();
    let accept = fixture.acceptor.accept(accepted, soon());
    assert!(size_of_val(&accept) < 1_024, "{}", size_of_val(&accept));
}
