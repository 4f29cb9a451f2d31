//! Pebble, and the DNS it asks, as processes that end with their owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{ca, port};

const PEBBLE: &str = "/usr/bin/pebble";
const DNS: &str = "/usr/bin/pebble-challtestsrv";

/// Whether there is a pebble to test with.
///
/// # Panics
/// There is none and `CI=true`: a referee that is missing is a failure there.
pub(crate) fn is_installed() -> bool {
    let is_installed = [PEBBLE, DNS].iter().all(|path| Path::new(path).exists());
    if !is_installed {
        let missing = "pebble is not installed; on Debian: apt-get install -y pebble";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        println!("skipped: {missing}");
    }
    is_installed
}

/// A pebble that differs from the usual in these.
#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) validity_seconds: u64,
    pub(crate) rejected_nonces_percent: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            validity_seconds: 90 * 86_400,
            rejected_nonces_percent: 0,
        }
    }
}

/// The authority. Its ports stay the same over a restart; nothing else does.
pub(crate) struct Authority {
    directory: PathBuf,
    options: Options,
    port: u16,
    management_port: u16,
    dns_port: u16,
    pebble: Option<Process>,
    _dns: Process,
}

impl Authority {
    /// Starts both; challenges are looked for on `http_port`.
    pub(crate) async fn start(directory: &Path, http_port: u16, options: Options) -> Self {
        ca::write(directory);
        let (dns_port, dns) = start_dns(directory).await;
        let mut authority = Self {
            directory: directory.to_owned(),
            options,
            port: port::free(),
            management_port: port::free(),
            dns_port,
            pebble: None,
            _dns: dns,
        };
        authority.write_config(http_port);
        authority.resume().await;
        authority
    }

    fn write_config(&self, http_port: u16) {
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management_port),
            "certificate": self.directory.join("srv.pem"),
            "privateKey": self.directory.join("srv.key"),
            "httpPort": http_port,
            "tlsPort": port::free(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": self.options.validity_seconds,
        }});
        std::fs::write(self.directory.join("pebble.json"), config.to_string()).unwrap();
    }

    /// Starts a pebble that knows nothing of the one before.
    pub(crate) async fn resume(&mut self) {
        let mut command = Command::new(PEBBLE);
        command
            .arg("-config")
            .arg(self.directory.join("pebble.json"))
            .arg("-dnsserver")
            .arg(format!("127.0.0.1:{}", self.dns_port))
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .env(
                "PEBBLE_WFE_NONCEREJECT",
                self.options.rejected_nonces_percent.to_string(),
            );
        self.pebble = Some(Process::start(command, &self.directory.join("pebble.log")));
        for port in [self.port, self.management_port] {
            assert!(
                port::answers(port).await,
                "pebble did not start: {}",
                self.log()
            );
        }
    }

    /// Ends pebble; what it knew is gone.
    pub(crate) fn stop(&mut self) {
        self.pebble = None;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What pebble itself is trusted by.
    pub(crate) fn ca(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("pebble.log")).unwrap_or_default()
    }

    /// The root of what this pebble signs, as PEM.
    pub(crate) async fn root(&self) -> Vec<u8> {
        let config = ca::client(&std::fs::read(self.ca()).unwrap(), rustls::ALL_VERSIONS);
        let tcp = TcpStream::connect(("127.0.0.1", self.management_port))
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connect = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let mut stream = Box::pin(connect).await.unwrap();
        stream
            .write_all(b"GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        // Pebble ends the connection without a close alert.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }
}

async fn start_dns(directory: &Path) -> (u16, Process) {
    let (port, management_port) = (port::free(), port::free());
    let mut command = Command::new(DNS);
    command
        .args(["-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"])
        .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
        .args(["-dns01", &format!("127.0.0.1:{port}")])
        .args(["-management", &format!("127.0.0.1:{management_port}")]);
    let process = Process::start(command, &directory.join("dns.log"));
    assert!(port::answers(port).await, "the DNS did not start");
    (port, process)
}

/// # Drop
/// Killed, by its own id, and waited for.
struct Process(Child);

impl Process {
    fn start(mut command: Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
