//! One relay in this process, on ports of its own.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use futures_util::stream;
use relay_bin::config::Environment;
use relay_bin::exit::Exit;
use relay_bin::{Signal, run_in};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{http, page};

/// Nothing here takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An address that nothing listens on: on a loopback address of this process's own, so that tests that run side by
/// side cannot take each other's ports, and from below the range of outgoing connections.
pub(crate) fn free_addr() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 0, 0).to_bits() | std::process::id());
    loop {
        let port = 11_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 9_000;
        if TcpListener::bind((ip, port)).is_ok() {
            return (ip, port).into();
        }
    }
}

/// A relay that serves.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    pub(crate) metrics: SocketAddr,
    signals: mpsc::Sender<Signal>,
    running: JoinSet<Exit>,
}

impl Relay {
    /// With a metrics page, and these flags behind the addresses.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let (addr, metrics) = (free_addr(), free_addr());
        let mut args = vec![
            format!("--insecure-listen={addr}"),
            format!("--metrics-listen={metrics}"),
        ];
        args.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Self::start_with(Environment::default(), addr, metrics, args).await
    }

    /// Waits until it answers HTTP, be it that it wants TLS.
    pub(crate) async fn start_with(
        environment: Environment,
        addr: SocketAddr,
        metrics: SocketAddr,
        args: Vec<String>,
    ) -> Self {
        Self::start_when(environment, addr, metrics, args, async move || {
            http::try_get(addr, "/readyz").await.is_some()
        })
        .await
    }

    /// Waits until its metrics page answers.
    pub(crate) async fn start_when_bound(
        environment: Environment,
        addr: SocketAddr,
        metrics: SocketAddr,
        args: Vec<String>,
    ) -> Self {
        Self::start_when(environment, addr, metrics, args, async move || {
            http::try_get(metrics, "/metrics").await.is_some()
        })
        .await
    }

    async fn start_when(
        environment: Environment,
        addr: SocketAddr,
        metrics: SocketAddr,
        args: Vec<String>,
        is_up: impl AsyncFn() -> bool,
    ) -> Self {
        let (signals, mut received) = mpsc::channel(2);
        let received = stream::poll_fn(move |cx| received.poll_recv(cx));
        let mut running = JoinSet::new();
        running.spawn(run_in(
            environment,
            args.into_iter().map(OsString::from),
            received,
        ));
        let ready = async {
            while !is_up().await {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            up = tokio::time::timeout(PATIENCE, ready) => up.expect("it comes up"),
            exit = running.join_next() => panic!("ended with {exit:?}"),
        }
        Self {
            addr,
            metrics,
            signals,
            running,
        }
    }

    pub(crate) async fn stop(&self) {
        self.send(Signal::Stop).await;
    }

    pub(crate) async fn send(&self, signal: Signal) {
        self.signals.send(signal).await.unwrap();
    }

    pub(crate) async fn exit(mut self) -> Exit {
        let exit = tokio::time::timeout(PATIENCE, self.running.join_next());
        exit.await.unwrap().unwrap().unwrap()
    }

    /// One sample of the metrics page.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        page::sample(self.metrics, series).await
    }

    /// Waits until a sample has this value.
    pub(crate) async fn metric_becomes(&self, series: &str, value: f64) {
        page::becomes(self.metrics, series, value).await;
    }
}

/// The exit of a relay that ends by itself.
pub(crate) async fn exit_of(environment: Environment, args: &[&str]) -> Exit {
    let args: Vec<_> = args.iter().map(OsString::from).collect();
    let running = run_in(environment, args, stream::pending());
    tokio::time::timeout(PATIENCE, running)
        .await
        .expect("it ends by itself")
}
