//! TLS with certificates from an authority, as far as no authority is needed: the cache, port 80, failed binds.
//!
//! The authority given here is a port that nothing listens on, unless a test says otherwise.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::executable;
use crate::executable::Executable;
use crate::harness::{Relay, exit_of, free_addr};
use crate::http::{self, send_to_host};
use crate::scratch::Scratch;
use crate::tls_peers::{DOMAIN, connect, issue_for};

fn args(cache: &Path, https: SocketAddr, http: SocketAddr, metrics: SocketAddr) -> Vec<String> {
    vec![
        format!("--domain={DOMAIN}"),
        format!("--cert-cache={}", cache.display()),
        "--acme-directory=https://127.0.0.1:1/dir".to_owned(),
        format!("--https-listen={https}"),
        format!("--http-listen={http}"),
        format!("--metrics-listen={metrics}"),
    ]
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Started, and the address of its port 80.
pub(crate) async fn start(cache: &Path) -> (Relay, SocketAddr) {
    let (https, http, metrics) = (free_addr(), free_addr(), free_addr());
    let args = args(cache, https, http, metrics);
    let relay = Relay::start_when_bound(Environment::default(), https, metrics, args).await;
    (relay, http)
}

/// An authority that counts who asks.
struct Authority(TcpListener);

impl Authority {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn flag(&self) -> String {
        let addr = self.0.local_addr().unwrap();
        format!("--acme-directory=https://{addr}/dir")
    }

    fn was_asked(&self) -> bool {
        self.0.accept().is_ok()
    }
}

#[tokio::test]
async fn o21_a_missing_cache_is_made_before_anything_is_asked_of_the_network() {
    let scratch = Scratch::new();
    let (authority, holder) = (Authority::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let cache = scratch.path().join("a/b/certs");
    let mut args = args(
        &cache,
        free_addr(),
        holder.local_addr().unwrap(),
        free_addr(),
    );
    args.push(authority.flag());
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    // Port 80 is taken: everything before the first bind has been done, and no more.
    assert_eq!(exit_of(Environment::default(), &args).await, Exit::Failure);
    for made in [cache.as_path(), cache.parent().unwrap()] {
        assert_eq!(mode(made), 0o700, "{}", made.display());
    }
    assert!(!authority.was_asked());
}

/// The executable, for the change is told in the log.
#[tokio::test]
async fn o22_a_cache_of_ours_with_rights_for_others_is_tightened_and_told() {
    let scratch = Scratch::new();
    for from in [0o755, 0o770, 0o701, 0o700] {
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(from)).unwrap();
        let (https, metrics) = (free_addr(), free_addr());
        let args = args(scratch.path(), https, free_addr(), metrics);
        let relay = Executable::start_from((https, metrics), &args).await;
        let log = relay.stop().await;
        assert_eq!(mode(scratch.path()), 0o700);
        let told: Vec<_> = log
            .iter()
            .filter(|line| line.contains("tightened cert cache dir perms"))
            .collect();
        if from == 0o700 {
            assert!(told.is_empty(), "{told:?}");
        } else {
            let path = scratch.path().display();
            let fields = format!(" path={path} from=0{from:o} to=0700");
            assert!(
                matches!(told[..], [line] if line.contains(&fields) && line.contains("level=INFO")),
                "{told:?}"
            );
        }
    }
}

#[tokio::test]
async fn o23_a_cache_that_is_none_or_somebody_elses_exits_1() {
    let scratch = Scratch::new();
    let file = scratch.file("file", "");
    let foreign = foreign_directory(&scratch);
    for cache in [file.as_path(), Path::new(""), &foreign] {
        let https = free_addr();
        let args = args(cache, https, free_addr(), free_addr());
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let exit = exit_of(Environment::default(), &args).await;
        assert_eq!(exit, Exit::Failure, "{}", cache.display());
        assert!(TcpStream::connect(https).await.is_err());
    }
    assert_eq!(mode(&foreign), 0o755);
}

/// Only root can give a directory away, and a directory of root's is foreign to everybody else.
fn foreign_directory(scratch: &Scratch) -> PathBuf {
    if !rustix::process::geteuid().is_root() {
        return PathBuf::from("/usr");
    }
    let path = scratch.path().join("foreign");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    chown(&path, Some(65_532), None).unwrap();
    path
}

/// Two domains, each with a certificate that an earlier relay left: both are served, and the authority hears nothing.
#[tokio::test]
async fn o24_a_seeded_cache_is_served_without_a_word_to_the_authority() {
    const OTHER: &str = "other.example.com";
    let (scratch, authority) = (Scratch::new(), Authority::new());
    let (https, metrics) = (free_addr(), free_addr());
    let mut args = args(scratch.path(), https, free_addr(), metrics);
    args.extend([authority.flag(), format!("--domain={OTHER}")]);
    let seeded = [DOMAIN, OTHER].map(|name| {
        let issued = issue_for(name, |_| ());
        scratch.file(name, &format!("{}{}", issued.key, issued.chain));
        (name, issued)
    });
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let relay = Relay::start_when_bound(Environment::default(), https, metrics, args).await;
    for (name, issued) in &seeded {
        for version in [&TLS12, &TLS13] {
            let tls = connect(https, issued.client_of(&[version]), name).await;
            assert_eq!(http::ask(tls, name, "/healthz").await.status, 200);
        }
    }
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
    assert!(!authority.was_asked());
}

#[tokio::test]
async fn o27_o28_port_80_knows_challenges_and_never_redirects() {
    let scratch = Scratch::new();
    let (relay, http) = start(scratch.path()).await;
    for path in ["/", "/healthz", "/v1/client", "/metrics"] {
        for method in ["GET", "POST"] {
            let answer = http::send(http, method, path, &[]).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            assert_eq!(answer.header("location"), None);
        }
    }
    let challenge = "/.well-known/acme-challenge/token";
    for (host, status) in [(DOMAIN, 404), ("other.example.com", 403)] {
        let answer = send_to_host(http, host, challenge).await;
        assert_eq!(answer.status, status, "{host}");
    }
    // No certificate, no sample: the domain is known and has none.
    let page = http::get(relay.metrics, "/metrics").await.body;
    assert!(page.contains("# TYPE pyrycode_relay_certificate_not_after_seconds gauge"));
    assert!(!page.contains(DOMAIN));
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o34_port_80_wants_no_proxy_header() {
    let scratch = Scratch::new();
    let (https, http, metrics) = (free_addr(), free_addr(), free_addr());
    let mut args = args(scratch.path(), https, http, metrics);
    args.push("--https-proxy-protocol".to_owned());
    let relay = Relay::start_when_bound(Environment::default(), https, metrics, args).await;
    assert_eq!(http::get(http, "/").await.status, 404);
    relay.stop().await;
    assert_eq!(relay.exit().await, Exit::Ok);
}

#[tokio::test]
async fn o64_a_taken_port_80_exits_1_and_nothing_is_served() {
    let scratch = Scratch::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let mut args = args(scratch.path(), free_addr(), taken, free_addr());
    args.push("--log-format=json".to_owned());
    let output = executable::run(&[], &args).await;
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let log: Vec<_> = log.lines().map(str::to_owned).collect();
    let failed = executable::events(&log, &["listener failed"]);
    assert_eq!(failed.len(), 1, "{log:#?}");
    assert_eq!(failed[0]["level"], "ERROR");
    assert_eq!(failed[0]["addr"], taken.to_string());
    assert!(failed[0]["err"].is_string());
    for once in ["listener error; draining", "shutdown complete"] {
        assert_eq!(executable::events(&log, &[once]).len(), 1, "{once}");
    }
    let listening = executable::events(&log, &["listening"]);
    assert_eq!(listening, [] as [Value; 0], "{log:#?}");
}

/// The image runs as 65532, and a volume may be mounted as somebody else left it.
///
/// Only root can be somebody else; everybody else can shut themselves out.
#[tokio::test]
async fn o65_a_cache_that_is_of_no_use_to_us_exits_1_and_nothing_is_written_elsewhere() {
    let scratch = Scratch::new();
    let cache = scratch.path().join("volume");
    fs::create_dir(&cache).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let (uid, modes) = if is_root {
        (Some(65_532), [0o755, 0o700])
    } else {
        (None, [0, 0o300])
    };
    for shut in modes {
        fs::set_permissions(&cache, fs::Permissions::from_mode(shut)).unwrap();
        let mut args = args(&cache, free_addr(), free_addr(), free_addr());
        args.push("--log-format=json".to_owned());
        let output = executable::run_as(uid, &scratch, &args).await;
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{shut:o}: {log}");
        let log: Vec<_> = log.lines().map(str::to_owned).collect();
        let failed = executable::events(&log, &["tls setup failed"]);
        assert_eq!(failed.len(), 1, "{log:#?}");
        let err = failed[0]["err"].as_str().unwrap();
        assert!(err.contains(cache.to_str().unwrap()), "{err}");
        assert_eq!(mode(&cache), shut, "left alone");
        fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    }
    // The executable, and the cache.
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2);
}
