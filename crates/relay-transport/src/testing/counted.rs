//! A future that counts how often it is polled: under a paused clock a busy loop would never let time pass.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// More than any test needs: a future that wakes itself on and on fails instead of hanging.
const MAX_POLLS: usize = 100_000;

/// How often a [`Counted`] was polled; clones share the count.
#[derive(Clone, Default, Debug)]
pub(crate) struct Polls(Arc<AtomicUsize>);

impl Polls {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Counted<F> {
    future: Pin<Box<F>>,
    polls: Polls,
}

impl<F> Counted<F> {
    pub(crate) fn new(future: F, polls: Polls) -> Self {
        let future = Box::pin(future);
        Self { future, polls }
    }
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polls = self.polls.0.fetch_add(1, Ordering::Relaxed);
        assert!(polls < MAX_POLLS, "a busy loop");
        self.future.as_mut().poll(cx)
    }
}
