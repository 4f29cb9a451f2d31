//! The relay behind an axum router's own pages, and both drained together.
//!
//! Read it as an example: everything an embedder writes is in `router` and `Host`.

#[path = "support/client.rs"]
mod client;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use client::Client;
use relay_core::{BoxFuture, DrainServer, Limits, Registry};
use relay_shutdown::{Outcome, ShutdownContext, shutdown};
use relay_transport::{RelayService, ServerBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Routes of the host's own, and the relay for every other path.
fn router(relay: RelayService, hello: Arc<Hello>) -> Router {
    Router::new()
        .route("/hello", get(say_hello))
        .with_state(hello)
        .fallback(to_the_relay)
        .with_state(relay)
}

async fn to_the_relay(
    State(relay): State<RelayService>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    relay.respond(request, remote).map(Body::new)
}

/// `axum::serve`, as something that can be drained.
struct Host {
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Host {
    fn serve(listener: TcpListener, router: Router) -> Self {
        let stop = CancellationToken::new();
        let abort = CancellationToken::new();
        let tasks = TaskTracker::new();
        let listener = listener.tap_io(|stream| {
            // Frames are small and answered one by one: they must not wait for each other.
            let _ = stream.set_nodelay(true);
        });
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serve = axum::serve(listener, service)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        tasks.spawn(abort.clone().run_until_cancelled_owned(serve));
        Self { stop, abort, tasks }
    }
}

/// axum waits for its plain requests; the WebSockets are the relay's to drain, for which it takes part itself.
impl DrainServer for Host {
    fn name(&self) -> &str {
        "host"
    }

    fn stop_accepting(&self) {
        self.stop.cancel();
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.tasks.close();
            self.tasks.wait().await;
        })
    }

    /// axum has spawned its connections itself: they end with the runtime, or when their peers do.
    fn abort(&self) {
        self.abort.cancel();
    }
}

/// A page that takes its time: until the test lets it go on.
#[derive(Default)]
struct Hello {
    has_begun: Notify,
    may_end: Notify,
}

async fn say_hello(State(hello): State<Arc<Hello>>) -> &'static str {
    hello.has_begun.notify_one();
    hello.may_end.notified().await;
    "hello from the host\n"
}

#[tokio::test]
async fn an_axum_server_and_the_relay_inside_it_drain_together() {
    let registry = Registry::new(Limits::default());
    let relay = ServerBuilder::new(registry.clone()).into_service();
    let hello = Arc::new(Hello::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    let host = Host::serve(listener, router(relay.clone(), Arc::clone(&hello)));

    let mut binary = Client::binary(addr, "embedded").await;
    let mut phone = Client::phone(addr, "embedded").await;
    phone.send(r#"{"v":2}"#.to_owned()).await;
    let envelope = binary.text().await;
    binary.send(envelope).await;
    assert_eq!(phone.text().await, r#"{"v":2}"#);

    let mut visitor = TcpStream::connect(addr).await.expect("a listener");
    let request = b"GET /hello HTTP/1.1\r\nHost: host\r\n\r\n";
    visitor.write_all(request).await.expect("an open socket");
    hello.has_begun.notified().await;

    let servers: [&dyn DrainServer; 2] = [&host, &relay];
    let drain = shutdown(ShutdownContext::new(), &registry, &servers);
    let peers = async {
        let goodbye = (1001, "shutting down".to_owned());
        assert_eq!(phone.closed().await, goodbye);
        let notice = binary.text().await;
        assert!(notice.ends_with(r#","close_code":1001}"#), "{notice}");
        assert_eq!(binary.closed().await, goodbye);
        drop((phone, binary));
        // A request that was under way before the drain is answered, though every WebSocket is gone.
        registry.idle().await;
        hello.may_end.notify_one();
        let mut response = String::new();
        let read = visitor.read_to_string(&mut response).await;
        read.expect("an answer and an orderly end");
        assert!(response.ends_with("hello from the host\n"), "{response}");
    };
    let (report, ()) = tokio::join!(drain, peers);

    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.closed, report.cut), (2, 0));
    assert!(TcpStream::connect(addr).await.is_err());
}
