//! Unix signals as a stream of requests.

use std::io;

use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use tokio::signal::unix::{SignalKind, signal};

/// Somebody wants the process to end: the first drains, the second cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopRequest;

/// SIGTERM and SIGINT, alike. Installed before anything listens, so that no signal finds the default action.
pub(crate) fn stop_requests() -> io::Result<impl Stream<Item = StopRequest> + Unpin> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let each = |mut signal: tokio::signal::unix::Signal| {
        stream::poll_fn(move |cx| signal.poll_recv(cx)).map(|()| StopRequest)
    };
    Ok(stream::select(each(terminate), each(interrupt)))
}
