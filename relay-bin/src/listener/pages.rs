//! A small HTTP server: one request per connection, an answer made on the spot, every wait bounded.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use relay_core::{BoxFuture, DrainServer};
use relay_transport::{ListenerError, ResponseBody};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
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
                end = accept(&bound.listener, &page, &tasks, &cut) => {
                    told.send_replace(Some(end));
                }
                () = unwanted => {}
                () = cut.cancelled() => {}
            }
        });
        server
    }

    /// Where it listens.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local_addr
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
    listener: &TcpListener,
    page: &Arc<dyn Page>,
    tasks: &TaskTracker,
    cut: &CancellationToken,
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Faulty;

    impl Page for Faulty {
        fn name(&self) -> &'static str {
            "faulty"
        }

        fn answer(&self, _: &Request<Incoming>) -> Response<ResponseBody> {
            Response::new(ResponseBody::from(String::new()))
        }

        fn max_connections(&self) -> usize {
            panic!("a fault")
        }
    }

    #[tokio::test]
    async fn an_accepting_task_that_panics_is_told_however_often_it_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = BoundPage::new(listener).unwrap().serve(Arc::new(Faulty));
        for _ in 0..2 {
            assert!(matches!(server.failed().await, ListenerError::Ended));
        }
    }
}
