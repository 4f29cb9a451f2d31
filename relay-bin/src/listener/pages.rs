//! A small HTTP server: answers made on the spot, on connections that are kept and waited for like the relay's own.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use relay_core::{BoxFuture, DrainServer};
use relay_transport::{Config, Http1, Io, ListenerError, ResponseBody};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
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

/// A listener for a page, which accepts nothing yet.
#[derive(Debug)]
pub(crate) struct BoundPage {
    listener: TcpListener,
    local_addr: SocketAddr,
}

impl BoundPage {
    /// # Errors
    /// When the listener's address cannot be read.
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        Ok(Self {
            local_addr: listener.local_addr()?,
            listener,
        })
    }

    /// Starts to serve `page`.
    pub(crate) fn serve(self, page: Arc<dyn Page>) -> PageServer {
        PageServer::start(self, page)
    }
}

/// A page being served.
///
/// # Drop
/// Ends, connections and all.
#[derive(Debug)]
pub(crate) struct PageServer {
    name: &'static str,
    local_addr: SocketAddr,
    /// Its sender is the accepting task's own, and gone with it.
    end: watch::Receiver<Option<ListenerError>>,
    tasks: TaskTracker,
    release: CancellationToken,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl PageServer {
    fn start(bound: BoundPage, page: Arc<dyn Page>) -> Self {
        let (told, end) = watch::channel(None);
        let server = Self {
            name: page.name(),
            local_addr: bound.local_addr,
            end,
            tasks: TaskTracker::new(),
            release: CancellationToken::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        };
        let (stop, cut) = (server.stop.clone(), server.cut.clone());
        let release = server.release.clone();
        let over = CancellationToken::new();
        let accepting = accept(
            bound.listener,
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
            let accepting = async {
                let end = tokio::select! {
                    end = accepting => end,
                    // The listener is dropped by now; connections have it until the drain.
                    () = release.cancelled() => return pending().await,
                };
                told.send_replace(Some(end));
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

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Lets go of the listener, for somebody else who accepts on the same socket; what was accepted goes on.
    pub(crate) fn release_listener(&self) {
        self.release.cancel();
    }

    /// Resolves when nothing is accepted any more although nobody has asked for that. Level-triggered.
    pub(crate) async fn failed(&self) -> ListenerError {
        let mut end = self.end.clone();
        let told = end.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|end| end.clone());
        match told {
            Some(error) => error,
            None if self.stop.is_cancelled() || self.cut.is_cancelled() => pending().await,
            None => ListenerError::Ended,
        }
    }
}

/// Ends with the listener.
async fn accept(
    listener: TcpListener,
    page: Arc<dyn Page>,
    tasks: TaskTracker,
    over: CancellationToken,
    cut: CancellationToken,
) -> ListenerError {
    let slots = Arc::new(Semaphore::new(page.max_connections()));
    loop {
        // An error would mean that somebody has closed the semaphore, which nobody does.
        let slot = Arc::clone(&slots).acquire_owned().await;
        let tcp = match listener.accept().await.map_err(ListenerError::of_accept) {
            Ok((tcp, _)) => tcp,
            Err(Ok(end)) => return end,
            Err(Err(_passing)) => {
                tokio::time::sleep(ACCEPT_BACKOFF).await;
                continue;
            }
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
