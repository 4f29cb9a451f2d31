//! A small HTTP server: one request per connection, an answer made on the spot, every wait bounded.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use relay_core::{BoxFuture, DrainServer};
use relay_transport::ResponseBody;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// From accept to the complete request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// From accept to the last byte of the answer.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Largest request head.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// How long to leave a system alone that has no descriptor or memory for another connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// What is served.
pub(crate) trait Page: Send + Sync + 'static {
    /// For reports and logs.
    fn name(&self) -> &'static str;

    /// Answers one request. Must not take long: it runs on the runtime.
    fn answer(&self, request: &Request<Incoming>) -> Response<ResponseBody>;

    /// Connections at one time; more wait in the kernel.
    fn max_connections(&self) -> usize;

    /// Resolves when, in a drain, the page is no longer wanted.
    fn wanted(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// A page being served.
///
/// # Drop
/// Ends, connections and all.
#[derive(Debug)]
pub(crate) struct PageServer {
    name: &'static str,
    tasks: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl PageServer {
    /// Starts to serve `page` on `listener`.
    pub(crate) fn start(listener: TcpListener, page: Arc<dyn Page>) -> Self {
        let server = Self {
            name: page.name(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let (tasks, stop, cut) = (
            server.tasks.clone(),
            server.stop.clone(),
            server.cut.clone(),
        );
        server.tasks.spawn(async move {
            let unwanted = async {
                stop.cancelled().await;
                page.wanted().await;
            };
            tokio::select! {
                () = accept(&listener, &page, &tasks, &cut) => {}
                () = unwanted => {}
                () = cut.cancelled() => {}
            }
        });
        server
    }
}

async fn accept(
    listener: &TcpListener,
    page: &Arc<dyn Page>,
    tasks: &TaskTracker,
    cut: &CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(page.max_connections()));
    // Ends never: the semaphore is not closed.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            continue;
        };
        let serving = serve(tcp, Arc::clone(page));
        let cut = cut.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = serving => {}
                () = cut.cancelled() => {}
            }
            drop(slot);
        });
    }
}

fn serve(tcp: TcpStream, page: Arc<dyn Page>) -> impl Future<Output = ()> {
    let answer = service_fn(move |request| ready(Ok::<_, Infallible>(page.answer(&request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(tcp), answer);
    async {
        // How it ended is the client's business.
        let _ = tokio::time::timeout(EXCHANGE_TIMEOUT, connection).await;
    }
}

impl DrainServer for PageServer {
    fn name(&self) -> &str {
        self.name
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
        self.cut.cancel();
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}
