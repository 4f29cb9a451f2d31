//! A connection in memory, on a paused clock: when it is hung up on, and what it read until then.

use std::time::Duration;

use relay_core::{Limits, Registry};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::ServerBuilder;
use crate::stream::Stream;
use crate::testing::in_time;

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n";

/// A client, connected just now, and the relay behind it.
struct Client {
    stream: DuplexStream,
    connected: Instant,
    service: RelayService,
    serving: JoinSet<()>,
}

impl Client {
    fn connect() -> Self {
        Self::with_buffer(64 << 10)
    }

    fn with_buffer(bytes: usize) -> Self {
        let service = ServerBuilder::new(Registry::new(Limits::default())).into_service();
        let (stream, relay) = duplex(bytes);
        let (connected, relays) = (clock::now(), service.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let remote = SocketAddr::from(([127, 0, 0, 1], 1));
            let newcomer = TaskTracker::new().token();
            serve(relay, connected, remote, newcomer, &relays).await;
        });
        Self {
            stream,
            connected,
            service,
            serving,
        }
    }

    async fn at(&self, s: u64) {
        tokio::time::sleep_until((self.connected + Duration::from_secs(s)).into()).await;
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn is_answered(&mut self) {
        let mut answer = vec![0; 4096];
        let n = in_time(self.stream.read(&mut answer)).await.unwrap();
        assert!(answer[..n].starts_with(b"HTTP/1.1 200 OK\r\n"));
    }

    /// Seconds since the connect at which the relay hangs up, having said nothing more.
    async fn hung_up_on_at(mut self) -> u64 {
        let mut rest = Vec::new();
        in_time(self.stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
        (clock::now() - self.connected).as_secs()
    }
}

#[tokio::test(start_paused = true)]
async fn o46_who_says_nothing_is_hung_up_on_after_5_seconds() {
    assert_eq!(Client::connect().hung_up_on_at().await, 5);
}

#[tokio::test(start_paused = true)]
async fn o46_half_a_head_has_5_seconds_however_it_trickles_in() {
    let mut client = Client::connect();
    for s in 1..5 {
        client.at(s).await;
        let next = usize::try_from(s).unwrap();
        client.send(&REQUEST[next - 1..next]).await;
    }
    assert_eq!(client.hung_up_on_at().await, 5);
}

#[tokio::test(start_paused = true)]
async fn o46_an_answered_connection_may_be_idle_for_120_seconds() {
    let mut client = Client::connect();
    client.send(REQUEST).await;
    client.is_answered().await;
    client.at(119).await;
    client.send(REQUEST).await;
    client.is_answered().await;
    assert_eq!(client.hung_up_on_at().await, 119 + 120);
}

#[tokio::test(start_paused = true)]
async fn o46_half_a_later_head_has_5_seconds_too() {
    let mut client = Client::connect();
    client.send(REQUEST).await;
    client.is_answered().await;
    client.at(50).await;
    client.send(b"GET").await;
    assert_eq!(client.hung_up_on_at().await, 55);
}

/// The runtime fires its timers before it has asked for what came in while the process was suspended.
#[tokio::test(start_paused = true)]
async fn a_head_that_was_sent_while_the_relay_was_suspended_is_answered() {
    let mut client = Client::connect();
    client.send(&REQUEST[..9]).await;
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(20)).await;
    tokio::task::yield_now().await;
    client.send(&REQUEST[9..]).await;
    client.is_answered().await;

    let silent = Client::connect();
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(silent.hung_up_on_at().await, 25);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_fetched_holds_its_connection_for_60_seconds() {
    let mut client = Client::with_buffer(REQUEST.len());
    client.send(REQUEST).await;
    in_time(client.serving.join_next()).await.unwrap().unwrap();
    assert_eq!((clock::now() - client.connected).as_secs(), 60);
    let mut begun = Vec::new();
    client.stream.read_to_end(&mut begun).await.unwrap();
    assert_eq!(begun.len(), REQUEST.len());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_does_not_hold_up_a_stop() {
    let mut client = Client::connect();
    client.send(REQUEST).await;
    client.is_answered().await;
    client.at(7).await;
    relay_core::DrainServer::stop_accepting(&client.service);
    assert_eq!(client.hung_up_on_at().await, 7);
}

#[test]
fn a_small_bound_on_heads_is_no_panic() {
    for max_head_bytes in [0, 100, 8191, 8192, 1 << 20] {
        Http1::new(&Config::default().max_head_bytes(max_head_bytes)).builder();
    }
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_for_ever_is_no_panic() {
    let config = Config::default()
        .handshake_timeout(Duration::MAX)
        .http_exchange_timeout(Duration::MAX)
        .http_idle_timeout(Duration::MAX)
        .http_drain_timeout(Duration::MAX);
    let (mut client, relay) = duplex(4096);
    let service = ServerBuilder::new(Registry::new(Limits::default())).into_service();
    let peer = service.for_peer(SocketAddr::from(([127, 0, 0, 1], 1)));
    let http1 = Http1::new(&config);
    let serving = Box::pin(http1.serve(relay, clock::now(), peer, std::future::pending()));
    let asking = async {
        client.write_all(REQUEST).await.unwrap();
        client.shutdown().await.unwrap();
    };
    in_time(async { tokio::join!(serving, asking) }).await;
}

async fn upgraded(relay: impl Io + 'static, mut client: impl Io) -> Stream {
    let timeouts = Http1::new(&Config::default()).timeouts;
    let waits = Arc::new(Mutex::new(Waits::new(timeouts, clock::now())));
    let watched = Watched::new(relay, waits);
    let (sender, mut upgrading) = tokio::sync::mpsc::channel(1);
    let switch = service_fn(move |request: Request<Incoming>| {
        sender.try_send(hyper::upgrade::on(request)).unwrap();
        let switching = Response::builder().status(101);
        std::future::ready(switching.body(String::new()))
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(watched), switch);
    let asking = client.write_all(b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\nahead");
    let (served, asked) = tokio::join!(connection.with_upgrades(), asking);
    served.unwrap();
    asked.unwrap();
    let upgraded = upgrading.recv().await.unwrap().await.unwrap();
    let (stream, ahead) = Stream::from_upgraded(upgraded);
    assert_eq!(ahead, b"ahead");
    stream
}

#[tokio::test]
async fn hyper_and_the_watch_are_gone_from_under_a_websocket() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let stream = upgraded(accepted.unwrap().0, client.unwrap()).await;
    assert!(matches!(stream, Stream::Tcp(_)));

    let (relay, client) = duplex(1024);
    let boxed: Box<dyn Io> = Box::new(relay);
    let stream = upgraded(boxed, client).await;
    let Stream::Other(inner) = stream else {
        panic!("a box is no TCP socket");
    };
    // The very stream, without hyper's two layers and the watch around it.
    assert_eq!(size_of_val(&*inner), size_of::<DuplexStream>());
}
