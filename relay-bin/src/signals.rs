//! Unix signals as a stream of requests.

use std::io;

use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use tokio::signal::unix::{SignalKind, signal};

/// What somebody wants of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// To end: the first drains, the second cuts.
    Stop,
    /// To read its certificate files again.
    Reload,
    /// To be succeeded by its executable as it is by now, without a gap.
    Upgrade,
}

/// SIGTERM and SIGINT, alike, SIGHUP and SIGUSR2. Installed before anything listens, so that no signal finds the default
/// action.
pub(crate) fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    let each = |kind, request| {
        let mut signal = signal(kind)?;
        let requests = stream::poll_fn(move |cx| signal.poll_recv(cx));
        io::Result::Ok(requests.map(move |()| request))
    };
    let terminate = each(SignalKind::terminate(), Signal::Stop)?;
    let interrupt = each(SignalKind::interrupt(), Signal::Stop)?;
    let hangup = each(SignalKind::hangup(), Signal::Reload)?;
    let upgrade = each(SignalKind::user_defined2(), Signal::Upgrade)?;
    let stops = stream::select(terminate, interrupt);
    Ok(stream::select(stops, stream::select(hangup, upgrade)))
}
