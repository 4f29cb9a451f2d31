//! The relay's own HTTP/1.1 server: an accept loop and a task per connection until it is upgraded.

use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use relay_core::{BoxFuture, DrainServer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{error, info};

use crate::accept::{Accept, Accepted, prepare};
use crate::deadlines::{TimedOut, timeout};
use crate::listener_error::ListenerError;
use crate::service::RelayService;
use crate::shortage::{ACCEPT_BACKOFF, Shortage};
use crate::tasks::Tasks;
use crate::{clock, http1, stream};

/// A listening relay.
///
/// # Drop
/// Stops accepting; live connections go on. Drain it to end them.
pub struct Server {
    local_addr: SocketAddr,
    service: RelayService,
    accepting: Accepting,
    release: CancellationToken,
    newcomers: TaskTracker,
}

impl Server {
    pub(crate) fn start(
        listener: TcpListener,
        local_addr: SocketAddr,
        service: RelayService,
        accept: Option<Arc<dyn Accept>>,
    ) -> Self {
        let release = service.shared.stop.child_token();
        let newcomers = TaskTracker::new();
        let welcome = Welcome {
            service: service.clone(),
            accept,
            newcomers: newcomers.clone(),
        };
        let accepting = accept_until_released(listener, release.clone(), welcome);
        let accepting = Accepting::start(&service.shared.tasks, accepting);
        Self {
            local_addr,
            service,
            accepting,
            release,
            newcomers,
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The service behind the listener.
    pub fn service(&self) -> &RelayService {
        &self.service
    }

    /// Lets go of the listener, for somebody else who accepts on the same socket: whoever waits in its queue is theirs.
    /// What was accepted goes on, new WebSockets included, until the server is drained. Idempotent.
    ///
    /// Nobody is turned away when a drain follows [`settled`](Self::settled).
    pub fn release_listener(&self) {
        self.release.cancel();
    }

    /// Resolves when the listener has been let go of and each connection that it gave has had its first request
    /// answered, or is gone; within the handshake timeout. Level-triggered.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn settled(&self) {
        self.newcomers.close();
        self.newcomers.wait().await;
    }

    /// Resolves when nothing is accepted any more although nobody has asked for that; live connections go on.
    /// Level-triggered: it may be called before or after, and more than once.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn failed(&self) -> ListenerError {
        match self.accepting.ended().await {
            Err(error) => error,
            Ok(()) => pending().await,
        }
    }
}

impl DrainServer for Server {
    fn name(&self) -> &str {
        "relay"
    }

    fn stop_accepting(&self) {
        self.service.stop_accepting();
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        self.service.closed()
    }

    fn abort(&self) {
        self.service.abort();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.service.stop_accepting();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

/// The task that accepts, as seen from outside.
struct Accepting {
    /// Its sender is the task's own, and gone with it.
    end: watch::Receiver<Option<Result<(), ListenerError>>>,
}

impl Accepting {
    fn start(
        tasks: &Tasks,
        task: impl Future<Output = Result<(), ListenerError>> + Send + 'static,
    ) -> Self {
        let (told, end) = watch::channel(None);
        tasks.spawn(async move {
            let end = task.await;
            told.send_replace(Some(end));
        });
        Self { end }
    }

    async fn ended(&self) -> Result<(), ListenerError> {
        let mut end = self.end.clone();
        let told = end.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|end| end.clone());
        told.unwrap_or(Err(ListenerError::Ended))
    }
}

/// What each accepted connection is given.
struct Welcome {
    service: RelayService,
    accept: Option<Arc<dyn Accept>>,
    newcomers: TaskTracker,
}

async fn accept_until_released(
    listener: TcpListener,
    release: CancellationToken,
    welcome: Welcome,
) -> Result<(), ListenerError> {
    let shared = &welcome.service.shared;
    // The listener is a newcomer too: one may come through it until it is gone.
    let _listening = welcome.newcomers.token();
    let mut shortage = Shortage::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = release.cancelled() => return Ok(()),
            () = over(&shortage) => {
                info!("accept_recovered");
                shortage = Shortage::default();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                let newcomer = welcome.newcomers.token();
                let accept = welcome.accept.clone();
                let task = serve_tcp(stream, remote, newcomer, welcome.service.clone(), accept);
                shared.tasks.spawn(task);
            }
            Err(err) if is_of_one_connection(&err) => {}
            Err(err) => {
                let err = match ListenerError::of_accept(err) {
                    Ok(end) => return Err(end),
                    Err(passing) => passing,
                };
                shared.counters.accept_errors.step();
                if shortage.failed(clock::now()) {
                    error!(%err, "accept_failed");
                }
                tokio::select! {
                    () = release.cancelled() => return Ok(()),
                    () = tokio::time::sleep(ACCEPT_BACKOFF) => shortage.resumed(clock::now()),
                }
            }
        }
    }
}

async fn over(shortage: &Shortage) {
    match shortage.over_at() {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// accept(2) hands on errors of the connection it would have returned.
fn is_of_one_connection(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

async fn serve_tcp(
    tcp: TcpStream,
    peer: SocketAddr,
    newcomer: TaskTrackerToken,
    service: RelayService,
    accept: Option<Arc<dyn Accept>>,
) {
    let accepted = clock::now();
    let config = &service.shared.config;
    // Here and not after the upgrade, where TLS hides the socket.
    stream::tune(&tcp);
    let preparing = pin!(prepare(tcp, peer, &config.proxy_protocol, accept.as_ref()));
    let prepared = tokio::select! {
        prepared = timeout(config.handshake_timeout, preparing) => prepared,
        () = service.shared.stop.cancelled() => return,
    };
    match prepared {
        Ok(Some(Accepted::Plain(tcp, remote))) => {
            http1::serve(tcp, accepted, remote, newcomer, &service).await;
        }
        Ok(Some(Accepted::Wrapped(io, remote))) => {
            http1::serve(io, accepted, remote, newcomer, &service).await;
        }
        Ok(None) | Err(TimedOut) => service.shared.counters.handshake_failures.step(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_end_of_accepting_is_told_however_often_it_is_asked_for() {
        let tasks = Tasks::default();
        let panicked = Accepting::start(&tasks, async { panic!("a fault") });
        let stopped = Accepting::start(&tasks, async { Ok(()) });
        tasks.closed().await;
        for _ in 0..2 {
            assert!(matches!(panicked.ended().await, Err(ListenerError::Ended)));
            assert!(stopped.ended().await.is_ok());
        }
    }
}
