//! An end of a wire as a byte stream: what the relay serves, and what a peer reads and writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::lane::{Lane, Outcome};
use super::{Side, Void, Wire};
use crate::clock::now;

/// # Drop
/// As closing a socket: the other side reads on to the end, or is reset if this one had unread bytes.
#[derive(Debug)]
pub(crate) struct End {
    wire: Arc<Wire>,
    side: Side,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl End {
    pub(super) fn new(wire: Arc<Wire>, side: Side) -> Self {
        Self {
            wire,
            side,
            alarm: None,
        }
    }

    /// Dropping this end is not seen by the other any more.
    pub(crate) fn vanish(&self, void: Void) {
        self.wire.vanish(void);
    }

    pub(crate) fn reset(&self, loses_what_is_under_way: bool) {
        self.wire.reset(loses_what_is_under_way);
    }

    /// Nothing gets through for so long, in either direction.
    pub(crate) fn freeze(&self, length: Duration) {
        self.wire.freeze(length);
    }

    fn poll_alarm(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        alarm.as_mut().poll(cx)
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let at = {
                let mut state = self.wire.state.lock();
                let (lane, _) = state.lanes(self.side);
                match lane.read(buf.initialize_unfilled(), now()) {
                    Outcome::Done(n) => {
                        buf.advance(n);
                        return Poll::Ready(Ok(()));
                    }
                    Outcome::End => return Poll::Ready(Ok(())),
                    Outcome::Broken => {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                    }
                    Outcome::Hesitate => return hesitate(cx),
                    Outcome::Wait => {
                        lane.reader = Some(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Outcome::WaitUntil(at) => {
                        lane.reader = Some(cx.waker().clone());
                        at
                    }
                }
            };
            if self.poll_alarm(at, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.wire.state.lock();
        let (inbound, lane) = state.lanes(self.side);
        match lane.write(bytes, now()) {
            Outcome::Done(n) => Poll::Ready(Ok(n)),
            Outcome::Hesitate => hesitate(cx),
            Outcome::Wait | Outcome::WaitUntil(_) => {
                lane.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            Outcome::End | Outcome::Broken => {
                // The other side answers with a reset, which takes along what it had sent before.
                if lane.is_deserted() {
                    inbound.reset(true);
                }
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_outbound(|lane| lane.flush(now()));
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_outbound(|lane| {
            lane.flush(now());
            lane.finish();
        });
        Poll::Ready(Ok(()))
    }
}

impl End {
    fn with_outbound(&self, act: impl FnOnce(&mut Lane)) {
        let mut state = self.wire.state.lock();
        let (_, outbound) = state.lanes(self.side);
        act(outbound);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.wire.dropped_by(self.side);
    }
}

fn hesitate<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}
