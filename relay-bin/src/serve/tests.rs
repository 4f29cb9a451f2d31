//! A listener that dies while the relay serves.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use rustix::net::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::*;
use crate::args::{Invocation, parse};
use crate::config::Environment;
use crate::listener::BoundPage;
use crate::logging::{LogFormat, Logging};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A listener for the relay, and the same one in our hands.
fn listener() -> (TcpListener, std::net::TcpListener) {
    let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    ours.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(ours.try_clone().unwrap()).unwrap();
    (listener, ours)
}

/// A binary that reads on until its relay says goodbye; `served` is called once it is in.
async fn goodbye(addr: SocketAddr, served: impl FnOnce()) -> CloseFrame {
    let mut request = format!("ws://{addr}/v1/server")
        .into_client_request()
        .unwrap();
    for name in ["x-pyrycode-server", "x-pyrycode-version", "user-agent"] {
        request.headers_mut().insert(name, "1".parse().unwrap());
    }
    let tcp = TcpStream::connect(addr).await.unwrap();
    let (mut peer, _) = client_async(request, tcp).await.unwrap();
    served();
    loop {
        if let Message::Close(close) = peer.next().await.unwrap().unwrap() {
            while let Some(Ok(_)) = peer.next().await {}
            return close.unwrap();
        }
    }
}

/// A listening socket that is shut down answers accept(2) with EINVAL from then on.
#[tokio::test]
async fn a_listener_that_dies_is_told_and_drains_and_exits_1() {
    for victim in ["relay", "page"] {
        let log = Log::default();
        let writer = log.clone();
        let logging = Logging::new(LogFormat::Logfmt, None).with_writer(move || writer.clone());
        let _collecting = tracing::dispatcher::set_default(&logging.into_dispatch());
        let args = ["--insecure-listen=127.0.0.1:1"].map(OsString::from);
        let Ok(Invocation::Run(flags)) = parse(args) else {
            panic!("no flags");
        };
        let environment = Environment::default();
        let config = Config::from_flags(&flags, &environment).unwrap();
        let certified = Certified::prepare(&config).unwrap();
        let push = Push::start(&config, &environment).unwrap();

        let ((relay, our_relay), (page, our_page)) = (listener(), listener());
        let addr = relay.local_addr().unwrap();
        let dying = if victim == "relay" {
            our_relay
        } else {
            our_page
        };
        let told = format!("addr={}", dying.local_addr().unwrap());
        let bind = async |builder: ServerBuilder| {
            Some(Bound {
                relay: builder.with_listener(relay).unwrap(),
                http: None,
                metrics: Some(BoundPage::new(page).unwrap()),
                handles: Vec::new(),
            })
        };
        let serving = serve_on(
            bind,
            &config,
            Kin::default(),
            certified,
            push,
            stream::pending(),
        );
        let goodbye = goodbye(addr, || {
            rustix::net::shutdown(&dying, Shutdown::Both).unwrap();
        });
        let both = Box::pin(async { tokio::join!(serving, goodbye) });
        let (exit, close) = tokio::time::timeout(PATIENCE, both).await.unwrap();
        assert_eq!(exit, Exit::Failure, "{victim}");
        assert_eq!((close.code.into(), &*close.reason), (1001, "shutting down"));

        let lines = log.lines();
        let place = |parts: &[&str]| {
            let has = |line: &String| parts.iter().all(|part| line.contains(part));
            let place = lines.iter().position(has);
            place.unwrap_or_else(|| panic!("no {parts:?} in {lines:#?}"))
        };
        let failed = place(&["level=ERROR msg=\"listener failed\"", &told, " err="]);
        let draining = place(&["level=ERROR msg=\"listener error; draining\""]);
        let complete = place(&["msg=\"shutdown complete\"", "binaries=1", "closed=1"]);
        assert!(failed < draining && draining < complete, "{lines:#?}");
    }
}
