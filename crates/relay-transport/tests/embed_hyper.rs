//! The relay inside somebody's own hyper server, and both drained together.
//!
//! Read it as an example: everything an embedder writes is in `Host`.

#[path = "support/client.rs"]
mod client;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use relay_core::{BoxFuture, DrainServer, Limits, Registry};
use relay_shutdown::{Outcome, ShutdownContext, shutdown};
use relay_transport::{RelayService, ResponseBody, ServerBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server with a page of its own, `/hello`, which leaves every other path to the relay.
struct Host {
    stop: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Host {
    fn serve(listener: TcpListener, relay: RelayService, hello: Arc<Hello>) -> Arc<Self> {
        let host = Arc::new(Self {
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        host.spawn(Arc::clone(&host).accept(listener, relay, hello));
        host
    }

    async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        relay: RelayService,
        hello: Arc<Hello>,
    ) {
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            let Ok((stream, remote)) = accepted else {
                continue;
            };
            // Frames are small and answered one by one: they must not wait for each other.
            let _ = stream.set_nodelay(true);
            let (relay, hello) = (relay.clone(), Arc::clone(&hello));
            let service = service_fn(move |request| {
                respond(relay.clone(), Arc::clone(&hello), request, remote)
            });
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let stop = self.stop.clone();
            self.spawn(async move {
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    ended = connection.as_mut() => return ended,
                    () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                }
                connection.await
            });
        }
    }

    fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) {
        let abort = self.abort.clone();
        self.tasks.spawn(abort.run_until_cancelled_owned(task));
    }
}

async fn respond(
    relay: RelayService,
    hello: Arc<Hello>,
    request: Request<Incoming>,
    remote: SocketAddr,
) -> Result<Response<ResponseBody>, Infallible> {
    if request.uri().path() == "/hello" {
        return Ok(Response::new(hello.page().await.into()));
    }
    // Once it has answered 101, the WebSocket is on a task of the relay's own.
    Ok(relay.respond(request, remote))
}

/// hyper forgets a connection once it is upgraded, so what this waits for is plain HTTP. The WebSockets are the
/// relay's to drain, for which it takes part itself.
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

impl Hello {
    async fn page(&self) -> &'static str {
        self.has_begun.notify_one();
        self.may_end.notified().await;
        "hello from the host\n"
    }
}

/// The host, the relay in it and where they listen.
async fn start(hello: &Arc<Hello>) -> (Arc<Host>, RelayService, Registry, SocketAddr) {
    let registry = Registry::new(Limits::default());
    let relay = ServerBuilder::new(registry.clone()).into_service();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    let host = Host::serve(listener, relay.clone(), Arc::clone(hello));
    (host, relay, registry, addr)
}

/// Has asked for `/hello` and not read the answer.
async fn visit(addr: SocketAddr, hello: &Hello) -> TcpStream {
    let mut visitor = TcpStream::connect(addr).await.expect("a listener");
    let request = b"GET /hello HTTP/1.1\r\nHost: host\r\n\r\n";
    visitor.write_all(request).await.expect("an open socket");
    hello.has_begun.notified().await;
    visitor
}

#[tokio::test]
async fn a_hyper_server_and_the_relay_inside_it_drain_together() {
    let hello = Arc::new(Hello::default());
    let (host, relay, registry, addr) = start(&hello).await;

    let mut binary = Client::binary(addr, "embedded").await;
    let mut phone = Client::phone(addr, "embedded").await;
    phone.send(r#"{"v":2}"#.to_owned()).await;
    let envelope = binary.text().await;
    binary.send(envelope).await;
    assert_eq!(phone.text().await, r#"{"v":2}"#);
    let mut visitor = visit(addr, &hello).await;

    let servers: [&dyn DrainServer; 2] = [&*host, &relay];
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

#[tokio::test]
async fn at_the_deadline_the_hosts_requests_are_dropped_too() {
    let hello = Arc::new(Hello::default());
    let (host, relay, registry, addr) = start(&hello).await;
    let mut visitor = visit(addr, &hello).await;

    let deadline = Duration::from_millis(100);
    let ctx = ShutdownContext::new().deadline(deadline);
    let report = shutdown(ctx, &registry, &[&*host, &relay]).await;

    assert_eq!(report.outcome, Outcome::DeadlineExceeded);
    let mut response = String::new();
    let read = visitor.read_to_string(&mut response).await;
    assert_eq!(read.expect("the end of the stream"), 0);
}
