//! An HTTPS server with an answer for each request, in place of an authority.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use parking_lot::Mutex;
use rcgen::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::cache::{CertCache, StoredAccount};
use crate::certificate::testing::{Authority as Signer, DAY};
use crate::certificates::Certificates;
use crate::{AcmeConfig, TlsAcceptor, TlsStream, clock};

/// # Drop
/// It ends.
pub(super) struct Authority {
    base: String,
    ca: PathBuf,
    paths: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

pub(super) struct Request {
    base: String,
    path: String,
    body: Vec<u8>,
}

impl Authority {
    pub(super) async fn start(
        directory: &Path,
        answer: impl Fn(&Request) -> String + Send + 'static,
    ) -> Self {
        let signer = Signer::new();
        let now = clock::now();
        let certificate = signer
            .issue(&["localhost"], now - DAY, now + DAY)
            .certificate(now)
            .unwrap();
        let acceptor = TlsAcceptor::new(&Certificates::holding(certificate)).unwrap();
        let ca = directory.join("authority.pem");
        std::fs::write(&ca, signer.pem()).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let paths = Arc::default();
        let mut tasks = JoinSet::new();
        let serve = serve(listener, acceptor, base.clone(), Arc::clone(&paths), answer);
        tasks.spawn(serve);
        Self {
            base,
            ca,
            paths,
            _tasks: tasks,
        }
    }

    pub(super) fn config(&self, config: AcmeConfig) -> AcmeConfig {
        config
            .directory_url(format!("{}/dir", self.base))
            .authority_ca(&self.ca)
    }

    /// What was asked for, in order.
    pub(super) fn paths(&self) -> Vec<String> {
        self.paths.lock().clone()
    }

    /// Puts an account with it into the cache.
    pub(super) fn account(&self, cache: &CertCache) {
        let directory = format!("{}/dir", self.base);
        let key = BASE64_URL_SAFE_NO_PAD.encode(KeyPair::generate().unwrap().serialized_der());
        let credentials = json!({
            "id": format!("{}/account/1", self.base), "key_pkcs8": key, "directory": directory,
        });
        let credentials = serde_json::from_value(credentials).unwrap();
        cache
            .store_account(&StoredAccount {
                directory,
                email: None,
                credentials,
            })
            .unwrap();
    }
}

impl Request {
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What a signed request says.
    pub(super) fn payload(&self) -> Value {
        let signed: Value = serde_json::from_slice(&self.body).unwrap();
        let payload = BASE64_URL_SAFE_NO_PAD
            .decode(signed["payload"].as_str().unwrap())
            .unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    /// The answer that leads to all others.
    pub(super) fn directory(&self) -> String {
        let at = |path: &str| format!("{}/{path}", self.base);
        let directory = json!({
            "newNonce": at("nonce"), "newAccount": at("account"), "newOrder": at("order"),
            "renewalInfo": at("ari"), "revokeCert": at("revoke"), "keyChange": at("key"),
        });
        reply("200 OK", "", &directory.to_string())
    }
}

/// `head` is more of it, each line with its end.
pub(super) fn reply(status: &str, head: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}\r\n{body}")
}

pub(super) fn problem(status: &str, kind: &str) -> String {
    let problem =
        json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "because" });
    reply(status, "Replay-Nonce: def\r\n", &problem.to_string())
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    base: String,
    paths: Arc<Mutex<Vec<String>>>,
    answer: impl Fn(&Request) -> String,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let deadline = clock::instant() + Duration::from_secs(10);
        let Ok(stream) = acceptor.accept(tcp, deadline).await else {
            continue;
        };
        let mut stream = BufReader::new(stream);
        // One connection at a time: a client that keeps it open asks for nothing on another.
        while let Some((path, body)) = read(&mut stream).await {
            paths.lock().push(path.clone());
            let answer = answer(&Request {
                base: base.clone(),
                path,
                body,
            });
            if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                break;
            }
        }
    }
}

/// The next request's path and body; `None` when there is none.
async fn read(stream: &mut BufReader<TlsStream>) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")
            .and_then(|len| len.parse().ok())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some((path, body))
}
