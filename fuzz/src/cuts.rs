//! A stream in the parts that single reads may return.
//!
//! The bytes decide how they are cut, so that an input is the stream and nothing else, and cut the same way each time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::random::Random;

/// `stream` in parts of 1 to `longest` bytes.
pub(crate) fn parts(mut stream: &[u8], longest: usize) -> Vec<&[u8]> {
    let mut random = Random::of(stream);
    let mut parts = Vec::new();
    while !stream.is_empty() {
        let size = 1 + random.below(longest.min(stream.len()));
        let (part, rest) = stream.split_at(size);
        parts.push(part);
        stream = rest;
    }
    parts
}

/// A stream that has nothing to read before each of its parts, and ends behind the last.
#[derive(Debug)]
pub(crate) struct Reads<'a> {
    parts: Vec<&'a [u8]>,
    next: usize,
    has_waited: bool,
}

impl<'a> Reads<'a> {
    pub(crate) fn new(parts: Vec<&'a [u8]>) -> Self {
        Self {
            parts,
            next: 0,
            has_waited: false,
        }
    }

    /// What nobody has read.
    pub(crate) fn rest(&self) -> Vec<u8> {
        self.parts[self.next..].concat()
    }
}

impl AsyncRead for Reads<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.has_waited {
            self.has_waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.next;
        if let Some(part) = self.parts.get_mut(next) {
            let (taken, left) = part.split_at(part.len().min(buf.remaining()));
            buf.put_slice(taken);
            *part = left;
            if left.is_empty() {
                self.next += 1;
                self.has_waited = false;
            }
        }
        Poll::Ready(Ok(()))
    }
}
