//! As much of a relay as certificates need: a listener for challenges, and one for TLS that echoes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use relay_tls::{
    AcmeConfig, CertCache, CertificateState, Certificates, ChallengeReply, Challenges, Issuer,
    TlsAcceptor, TlsStream,
};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client;

use crate::ca;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// # Drop
/// Everything ends, the issuer where it stands.
pub(crate) struct Relay {
    certificates: Certificates,
    port: u16,
    _tasks: JoinSet<()>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "pebble issues on the real time of day"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "a deadline of this test")]
fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

impl Relay {
    /// Starts with what is in `cache`; challenges are answered on `http`.
    pub(crate) async fn start(
        config: AcmeConfig,
        cache: CertCache,
        http: Arc<TcpListener>,
    ) -> Self {
        let issuer = Issuer::new(config, cache, now()).unwrap();
        let certificates = issuer.certificates().clone();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tls.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::new(&certificates).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(answer_challenges(http, issuer.challenges().clone()));
        tasks.spawn(echo(tls, acceptor));
        tasks.spawn(async move {
            let never: Infallible = issuer.run().await;
            match never {}
        });
        Self {
            certificates,
            port,
            _tasks: tasks,
        }
    }

    pub(crate) fn states(&self) -> Vec<CertificateState> {
        self.certificates.states()
    }

    pub(crate) async fn wait_for(&self, condition: impl FnMut(&[CertificateState]) -> bool) {
        let wait = self.certificates.wait_for(condition);
        assert!(
            timeout(PATIENCE, wait).await.is_ok(),
            "still {:?}",
            self.states()
        );
    }

    /// Waits for certificates of all domains.
    pub(crate) async fn served(&self) {
        self.wait_for(|states| states.iter().all(|state| state.not_after_seconds.is_some()))
            .await;
    }

    pub(crate) async fn connect(
        &self,
        domain: &str,
        root: &[u8],
        version: &'static SupportedProtocolVersion,
    ) -> std::io::Result<Connection> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from(domain.to_owned()).unwrap();
        let connector = TlsConnector::from(Arc::new(ca::client(root, &[version])));
        Ok(Connection(Box::pin(connector.connect(name, tcp)).await?))
    }
}

pub(crate) struct Connection(client::TlsStream<TcpStream>);

impl Connection {
    /// # Panics
    /// What is sent does not come back.
    pub(crate) async fn echo(&mut self) {
        let echo = async {
            self.0.write_all(b"ping").await?;
            let mut bytes = [0; 4];
            self.0.read_exact(&mut bytes).await?;
            assert_eq!(&bytes, b"ping");
            std::io::Result::Ok(())
        };
        timeout(PATIENCE, echo).await.unwrap().unwrap();
    }

    pub(crate) fn leaf(&self) -> &[u8] {
        &self.0.get_ref().1.peer_certificates().unwrap()[0]
    }
}

async fn answer_challenges(listener: Arc<TcpListener>, challenges: Challenges) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let challenges = challenges.clone();
        connections.spawn(async move {
            // Whoever asks may be gone by now.
            let _ = answer(stream, &challenges).await;
        });
    }
}

async fn answer(stream: TcpStream, challenges: &Challenges) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut host) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some(rest) = line.strip_prefix("Host: ") {
            host = rest.trim().to_owned();
        } else if line.trim().is_empty() {
            break;
        }
    }
    let reply = challenges.respond(&path, &host);
    let status = reply.status();
    let body = if let ChallengeReply::Ok(body) = reply {
        body
    } else {
        String::new()
    };
    let length = body.len();
    let answer = format!("HTTP/1.0 {status} -\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn echo(listener: TcpListener, acceptor: TlsAcceptor) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            if let Ok(stream) = acceptor.accept(tcp, deadline()).await {
                let _ = echo_one(stream).await;
            }
        });
    }
}

async fn echo_one(mut stream: TlsStream) -> std::io::Result<()> {
    let mut bytes = [0; 64];
    loop {
        let len = stream.read(&mut bytes).await?;
        if len == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&bytes[..len]).await?;
        stream.flush().await?;
    }
}
