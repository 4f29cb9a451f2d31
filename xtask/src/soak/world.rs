//! What all peers of a soak share: where the relay is, what time it is, the books, and when it is over.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::books::Books;
use crate::clock::Stopwatch;
use crate::random::Random;

/// Parts of a run, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// Everybody does what they do.
    Traffic,
    /// Phones and strangers leave.
    PhonesLeave,
    /// Daemons leave too.
    DaemonsLeave,
}

/// The shared state of one run.
#[derive(Debug)]
pub(super) struct World {
    pub(super) addr: SocketAddr,
    pub(super) seed: u64,
    clock: Stopwatch,
    books: Mutex<Books>,
    part: watch::Sender<Part>,
    /// The first check that failed.
    failure: watch::Sender<Option<String>>,
}

impl World {
    pub(super) fn new(addr: SocketAddr, seed: u64, servers: usize) -> Self {
        Self {
            addr,
            seed,
            clock: Stopwatch::start(),
            books: Mutex::new(Books::of(servers)),
            part: watch::Sender::new(Part::Traffic),
            failure: watch::Sender::new(None),
        }
    }

    /// Time since the start of the run.
    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of random numbers for one actor.
    pub(super) fn random(&self, part: u64) -> Random {
        Random::of_part(self.seed, part)
    }

    pub(super) fn begin(&self, part: Part) {
        self.part.send_replace(part);
    }

    pub(super) fn has_begun(&self, part: Part) -> bool {
        *self.part.borrow() >= part
    }

    /// Waits until a part of the run has begun. Cancel safe.
    pub(super) async fn begun(&self, part: Part) {
        // The sender lives as long as this does.
        let _ = self.part.subscribe().wait_for(|now| *now >= part).await;
    }

    /// Waits for a time, or less when a part of the run begins; true when it does. Cancel safe.
    pub(super) async fn pause(&self, time: Duration, part: Part) -> bool {
        tokio::time::timeout(time, self.begun(part)).await.is_ok()
    }

    /// A check failed; only the first one is kept, since it may have caused the others.
    pub(super) fn fail(&self, error: &anyhow::Error) {
        let text = format!("after {:.1} s: {error:#}", self.now().as_secs_f64());
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert(text);
            is_first
        });
    }

    /// The first check that failed, if one did.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Waits for a check to fail. Cancel safe.
    pub(super) async fn failed(&self) {
        let _ = self.failure.subscribe().wait_for(Option::is_some).await;
    }
}

/// The name of a server-id.
pub(super) fn server_id(server: usize) -> String {
    format!("server-{server}")
}
