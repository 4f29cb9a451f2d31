//! A small HTTP server: answers made on the spot, on connections that are kept and waited for like the relay's own.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use relay_core::{BoxFuture, DrainServer};
use relay_transport::{Config, Http1, Io, ResponseBody};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock;

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
        let (stop, cut) = (server.stop.clone(), server.cut.clone());
        let over = CancellationToken::new();
        let accepting = accept(
            listener,
            Arc::clone(&page),
            server.tasks.clone(),
            over.clone(),
            cut.clone(),
        );
        server.tasks.spawn(async move {
            let unwanted = async {
                stop.cancelled().await;
                page.wanted().await;
            };
            tokio::select! {
                () = accepting => {}
                () = unwanted => {}
                () = cut.cancelled() => {}
            }
            over.cancel();
        });
        server
    }
}

async fn accept(
    listener: TcpListener,
    page: Arc<dyn Page>,
    tasks: TaskTracker,
    over: CancellationToken,
    cut: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(page.max_connections()));
    // Ends never: the semaphore is not closed.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Ok((tcp, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            continue;
        };
        let stay = Stay::among(slots.available_permits(), page.max_connections());
        let serving = serve(tcp, clock::now(), Arc::clone(&page), stay, over.clone());
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

/// How long a connection is welcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stay {
    ForFurtherRequests,
    ForOneAnswer,
}

impl Stay {
    /// Nobody can take the last half of the places by idling in them.
    fn among(free: usize, max_connections: usize) -> Self {
        if free < max_connections / 2 {
            Self::ForOneAnswer
        } else {
            Self::ForFurtherRequests
        }
    }
}

async fn serve(
    io: impl Io + 'static,
    accepted: Instant,
    page: Arc<dyn Page>,
    stay: Stay,
    over: CancellationToken,
) {
    let answer = service_fn(move |request| {
        let mut response = page.answer(&request);
        if stay == Stay::ForOneAnswer {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        ready(Ok::<_, Infallible>(response))
    });
    Http1::new(&Config::default())
        .serve(io, accepted, answer, over.cancelled())
        .await;
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

#[cfg(test)]
mod tests;
