//! The life of the process, in this process: `run()` with made-up signals, seen by peers and by its log.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, Stream, StreamExt, stream};
use relay_bin::exit::Exit;
use relay_bin::logging::{LogFormat, Logging};
use relay_bin::{Signal, VERSION, run};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that was logged by this process, through the relay's own logger.
struct Log {
    text: Mutex<String>,
    changed: Notify,
}

static LOG: Log = Log {
    text: Mutex::new(String::new()),
    changed: Notify::const_new(),
};

impl io::Write for &'static Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.text.lock().expect("no test panics inside");
        text.push_str(&String::from_utf8_lossy(bytes));
        drop(text);
        self.changed.notify_waiters();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects from now on, in place of the logger that `run` would install.
    fn collect() {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let logging = Logging::new(LogFormat::Logfmt, None).with_writer(|| &LOG);
            let installed = tracing::dispatcher::set_global_default(logging.into_dispatch());
            installed.expect("nobody else logs");
        });
    }

    fn line_with(&self, parts: &[&str]) -> Option<String> {
        let text = self.text.lock().expect("no test panics inside");
        let found = |line: &&str| parts.iter().all(|part| line.contains(part));
        text.lines().find(found).map(str::to_owned)
    }

    /// The first line that has all `parts`, once there is one.
    async fn line(&self, parts: &[&str]) -> String {
        let find = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(line) = self.line_with(parts) {
                    return line;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, find).await;
        found.unwrap_or_else(|_| panic!("no log line with {parts:?}"))
    }
}

/// An address that nothing listens on. Its port is below those that the system gives to outgoing connections.
fn free_addr() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 8_000).expect("below 8000");
    loop {
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if std::net::TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
}

/// Relays of several tests run side by side, and there is one default address for metrics.
fn args(args: &[&str]) -> Vec<OsString> {
    let first = ["--metrics-listen="];
    first.iter().chain(args).map(OsString::from).collect()
}

/// A way to ask for a stop, and what `run` hears of it.
fn signals() -> (mpsc::Sender<Signal>, impl Stream<Item = Signal> + Unpin) {
    let (sender, mut receiver) = mpsc::channel(2);
    let signals = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    (sender, signals)
}

/// Nobody asks for anything.
async fn exit_of(flags: &[&str]) -> Exit {
    Log::collect();
    let run = run(args(flags), stream::empty());
    let exit = tokio::time::timeout(PATIENCE, run).await;
    exit.expect("an end of its own accord")
}

type Peer = WebSocketStream<TcpStream>;

async fn dial(addr: SocketAddr, path: &str, header: &str) -> Peer {
    let request = Request::get(format!("ws://{addr}{path}"))
        .header("x-pyrycode-server", "run")
        .header(header, "1")
        .header("user-agent", "test")
        .header("host", "relay.test")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key())
        .body(())
        .expect("a request");
    let stream = TcpStream::connect(addr).await.expect("a listener");
    let (peer, _response) = client_async(request, stream).await.expect("a 101");
    peer
}

/// A binary and a phone that have exchanged a frame.
async fn pair(addr: SocketAddr) -> (Peer, Peer) {
    let mut binary = dial(addr, "/v1/server", "x-pyrycode-version").await;
    let ping = Message::Ping("in?".into());
    binary.send(ping).await.expect("an open connection");
    let pong = next(&mut binary).await;
    assert!(matches!(pong, Some(Message::Pong(_))), "{pong:?}");
    let mut phone = dial(addr, "/v1/client", "x-pyrycode-token").await;
    let frame = Message::text("1");
    phone.send(frame.clone()).await.expect("an open connection");
    let envelope = next(&mut binary).await.expect("an envelope");
    binary.send(envelope).await.expect("an open connection");
    assert_eq!(next(&mut phone).await, Some(frame));
    (binary, phone)
}

async fn next(peer: &mut Peer) -> Option<Message> {
    let next = tokio::time::timeout(PATIENCE, peer.next()).await;
    next.expect("something").transpose().expect("no reset")
}

async fn expect_goodbye(peer: &mut Peer) {
    let message = next(peer).await;
    let Some(Message::Close(Some(close))) = message else {
        panic!("a close, not {message:?}");
    };
    assert_eq!(u16::from(close.code), 1001);
    assert_eq!(close.reason.as_str(), "shutting down");
}

async fn assert_unreachable(addr: SocketAddr) {
    let error = TcpStream::connect(addr).await.expect_err("no listener");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[expect(clippy::disallowed_methods, reason = "the clock of the tests")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn c51_connected_peers_read_1001_and_run_ends_with_0() {
    Log::collect();
    let addr = free_addr();
    let listen = addr.to_string();
    let (stop, signals) = signals();
    let flags = args(&["-insecure-listen", &listen, "--drain-deadline=20s"]);
    let peers = async {
        LOG.line(&["msg=listening", &listen]).await;
        let (mut binary, mut phone) = pair(addr).await;
        let start = now();
        stop.send(Signal::Stop).await.expect("somebody listens");
        expect_goodbye(&mut phone).await;
        assert_eq!(next(&mut phone).await, None);
        let notice = next(&mut binary).await;
        let Some(Message::Text(notice)) = notice else {
            panic!("a notice, not {notice:?}");
        };
        assert!(notice.ends_with(r#","close_code":1001}"#), "{notice}");
        expect_goodbye(&mut binary).await;
        assert_eq!(next(&mut binary).await, None);
        start
    };
    let (exit, start) = tokio::join!(run(flags, signals), peers);
    assert_eq!(exit, Exit::Ok);
    assert!(start.elapsed() < Duration::from_secs(4), "no peer was slow");
    assert_unreachable(addr).await;
    let summary = LOG.line(&["shutdown complete", "binaries=1"]).await;
    for fact in ["level=INFO", "phones=1", "closed=2", "cut=0"] {
        assert!(summary.contains(fact), "{fact}: {summary}");
    }
}

#[tokio::test]
async fn a_silent_peer_is_cut_at_the_deadline_and_run_still_ends_with_0() {
    Log::collect();
    let addr = free_addr();
    let listen = addr.to_string();
    let (stop, signals) = signals();
    let flags = args(&["--insecure-listen", &listen, "--drain-deadline", "400ms"]);
    let peers = async {
        LOG.line(&["msg=listening", &listen]).await;
        // Neither reads again.
        let peers = pair(addr).await;
        stop.send(Signal::Stop).await.expect("somebody listens");
        (peers, now())
    };
    let (exit, (_peers, start)) = tokio::join!(run(flags, signals), peers);
    let elapsed = start.elapsed();
    assert_eq!(exit, Exit::Ok);
    assert!(elapsed >= Duration::from_millis(400), "{elapsed:?}");
    assert!(elapsed < Duration::from_millis(1_400), "{elapsed:?}");
    let parts = ["drain incomplete", "deadline exceeded"];
    assert!(LOG.line(&parts).await.contains("level=WARN"));
}

#[tokio::test]
async fn c52_a_second_request_cuts_within_a_second_and_run_ends_with_0() {
    Log::collect();
    let addr = free_addr();
    let listen = addr.to_string();
    let (stop, signals) = signals();
    let flags = args(&["--insecure-listen", &listen, "--drain-deadline=1h"]);
    let peers = async {
        LOG.line(&["msg=listening", &listen]).await;
        let (binary, mut phone) = pair(addr).await;
        stop.send(Signal::Stop).await.expect("somebody listens");
        // Asked to close and never to answer: tungstenite would, with the next read.
        expect_goodbye(&mut phone).await;
        let start = now();
        stop.send(Signal::Stop).await.expect("somebody listens");
        (start, binary, phone)
    };
    let (exit, (start, ..)) = tokio::join!(run(flags, signals), peers);
    let elapsed = start.elapsed();
    assert_eq!(exit, Exit::Ok);
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
    assert_unreachable(addr).await;
    let parts = ["drain incomplete", "second signal"];
    assert!(LOG.line(&parts).await.contains("level=WARN"));
}

#[tokio::test]
async fn c52_a_port_in_use_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let listen = taken.local_addr().expect("bound").to_string();
    let exit = exit_of(&["--insecure-listen", &listen]).await;
    assert_eq!(exit, Exit::Failure);
    let parts = ["listener failed", &format!("addr={listen}")];
    assert!(LOG.line(&parts).await.contains("level=ERROR"));
}

#[tokio::test]
async fn version_and_help_end_with_0_and_open_nothing() {
    for flags in [
        &["--version"][..],
        &["-version"],
        &["--version", "--insecure-listen=nonsense"],
        &["--help"],
    ] {
        assert_eq!(exit_of(flags).await, Exit::Ok, "{flags:?}");
    }
    assert!(!VERSION.is_empty());
}

#[tokio::test]
async fn c09_a_cap_of_no_connections_ends_with_2() {
    for cap in ["0", "-1"] {
        let addr = free_addr();
        let listen = addr.to_string();
        let flags = ["--insecure-listen", &listen, "--max-connections", cap];
        assert_eq!(exit_of(&flags).await, Exit::Config, "{cap}");
        assert_unreachable(addr).await;
    }
}

#[tokio::test]
async fn flags_that_cannot_be_end_with_2_all_of_them_told() {
    for flags in [
        &[][..],
        &["--no-such-flag"],
        &["--insecure-listen"],
        &["--insecure-listen", "127.0.0.1"],
        &["--insecure-listen", "127.0.0.1:0"],
        &["--insecure-listen", ":8080", "--drain-deadline", "0s"],
        &["--insecure-listen", ":8080", "--drain-deadline", "soon"],
        &["--insecure-listen", ":8080", "--queue-memory", "1KiB"],
        &["--insecure-listen", ":8080", "--max-connections", "many"],
        &["--insecure-listen", ":8080", "--log-format", "xml"],
    ] {
        assert_eq!(exit_of(flags).await, Exit::Config, "{flags:?}");
    }
    let both = ["--insecure-listen=told.invalid", "--max-connections=-77"];
    assert_eq!(exit_of(&both).await, Exit::Config);
    LOG.line(&["level=ERROR", "told.invalid"]).await;
    LOG.line(&["level=ERROR", "-77"]).await;
}

#[tokio::test]
async fn without_signals_it_serves_until_it_is_dropped() {
    Log::collect();
    let addr = free_addr();
    let listen = addr.to_string();
    {
        let flags = args(&["--insecure-listen", &listen]);
        let mut run = std::pin::pin!(run(flags, stream::empty()));
        let ready = ["msg=listening", &listen];
        tokio::select! {
            exit = &mut run => panic!("{exit:?}"),
            _line = LOG.line(&ready) => {}
        }
        tokio::select! {
            exit = &mut run => panic!("{exit:?}"),
            _peers = pair(addr) => {}
        }
    }
    // The accept loop hears of it in its own turn.
    let mut look = tokio::time::interval(Duration::from_millis(1));
    let unreachable = async {
        while TcpStream::connect(addr).await.is_ok() {
            look.tick().await;
        }
    };
    let end = tokio::time::timeout(PATIENCE, unreachable).await;
    end.expect("the listener goes with the future");
}
