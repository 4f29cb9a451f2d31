//! The writing side of the poll loop: orders and chunks out of the outbox, frames into the socket.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use relay_core::{Close, CloseCode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::connection::{Endpoint, ReadEnd};
use crate::ws;

impl<S: AsyncRead + AsyncWrite + Unpin, E: Endpoint> Connection<S, E> {
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) {
        while !self.is_over {
            let wanted_chunk = self.writer.wants_chunk();
            let has_chunk = self.take_work(cx, now);
            let outbox = self.endpoint.outbox();
            let poll = self.writer.poll(&mut self.stream, cx, outbox, now);
            if self.writer.take_progress() {
                self.heartbeat.heard();
            }
            match poll {
                Poll::Pending => return,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    self.read_end.get_or_insert(ReadEnd::WriteFailed(error));
                    self.is_over = true;
                    return;
                }
            }
            if self.writer.is_close_out() {
                self.wants_shutdown |= self.closing.close_sent(now);
                self.is_over |= self.is_at_eof;
            }
            if self.wants_shutdown {
                self.shut_down(cx);
            }
            if !has_chunk && (wanted_chunk || !self.writer.wants_chunk()) {
                return;
            }
        }
    }

    /// Takes orders and, if the writer wants one, the next chunk. True when there was one.
    fn take_work(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut has_chunk = false;
        let mut is_last = false;
        if let Some(outbox) = self.endpoint.outbox() {
            let work = outbox.take(cx.waker(), self.writer.wants_chunk());
            if let Some(chunk) = work.chunk {
                self.writer.load(chunk);
                has_chunk = true;
                is_last = work.is_last && !work.cut;
            }
            if work.cut {
                self.read_end.get_or_insert(ReadEnd::Cut);
                self.is_over = true;
            }
            if work.ping && self.closing.is_open() {
                self.send_ping();
            }
            if let Some(close) = work.close {
                self.begin_close(close, now);
            }
        }
        if is_last && let Some(close) = self.closing.behind_queue() {
            self.writer.close_behind_chunk(frame_of(close));
        }
        if self.writer.wants_chunk()
            && let Some(close) = self.closing.queue_done(now)
        {
            self.writer.close(frame_of(close));
        }
        has_chunk
    }

    fn shut_down(&mut self, cx: &mut Context<'_>) {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.wants_shutdown = false,
            Poll::Ready(Err(_gone)) => self.is_over = true,
        }
    }
}

fn frame_of(close: Close) -> ws::Encoded {
    let code = Some(close.code).filter(|code| *code != CloseCode::NO_STATUS);
    ws::close_frame(code.map(CloseCode::get), close.reason)
}
