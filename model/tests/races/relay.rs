//! A registry, its time, and what its connections do.

use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use relay_model::{
    Binary, Cause, Chunk, ClaimError, Delivery, Incumbent, JoinError, Limits, Origin, Outbox,
    Phone, Registry, ServerId,
};

pub(crate) const GRACE: Duration = Duration::from_secs(30);
const FLUSH: Duration = Duration::from_secs(5);

/// A handle on one relay; clones share it.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) registry: Registry,
    /// When everything happens, unless a test says otherwise.
    pub(crate) now: Instant,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant has no other constructor; time only moves by what is added to it"
    )]
    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            registry: Registry::new(limits.grace(GRACE)),
            now: Instant::now(),
        }
    }

    pub(crate) fn try_claim(&self, name: &str) -> Result<Binary, ClaimError> {
        self.registry.claim(&id(name), Origin::unknown(), self.now)
    }

    pub(crate) fn claim(&self, name: &str) -> Binary {
        self.try_claim(name).expect("free or in grace")
    }

    pub(crate) fn incumbent(&self, name: &str) -> Incumbent {
        held(self.try_claim(name))
    }

    pub(crate) fn take_over(&self, incumbent: &Incumbent) -> Result<Binary, ClaimError> {
        self.registry
            .take_over(incumbent, Origin::unknown(), self.now)
    }

    pub(crate) fn try_join(&self, name: &str) -> Result<Phone, JoinError> {
        self.registry.join(&id(name), self.now)
    }

    pub(crate) fn join(&self, name: &str) -> Phone {
        self.try_join(name).expect("a binary, or its grace")
    }

    /// Ticks at a moment when every grace window opened up to now has run out.
    pub(crate) fn end_grace(&self) {
        self.registry.tick(self.now);
        self.registry.tick(self.now + GRACE);
    }

    /// Begins a drain and asks every leg to end, as a shutdown does.
    pub(crate) fn drain(&self) {
        self.registry.begin_drain();
        for leg in self.registry.snapshot().legs() {
            leg.drain(FLUSH);
        }
    }

    /// Connected binaries and phones, on which the gauges and a snapshot agree when nothing moves.
    pub(crate) fn connected(&self) -> (usize, usize) {
        let stats = self.registry.stats();
        let snapshot = self.registry.snapshot();
        let counts = (stats.connected_binaries, stats.connected_phones);
        assert_eq!(counts, (snapshot.binaries(), snapshot.phones()));
        counts
    }

    /// What is true once every guard is gone.
    pub(crate) fn check_nothing_is_left(&self) {
        self.end_grace();
        assert_eq!(self.connected(), (0, 0));
        assert_eq!(self.registry.stats().queued_bytes, 0);
    }
}

fn id(name: &str) -> ServerId {
    ServerId::new(name.as_bytes())
}

pub(crate) fn held(claimed: Result<Binary, ClaimError>) -> Incumbent {
    match claimed {
        Err(ClaimError::Held(incumbent)) => incumbent,
        other => panic!("not held: {other:?}"),
    }
}

/// Why a leg is being closed, if it is.
pub(crate) fn cause(outbox: &Outbox) -> Option<Cause> {
    outbox.close_order().map(|close| close.cause)
}

/// Addresses a phone as a binary's envelope does.
pub(crate) fn deliver(
    binary: &Binary,
    phone: &str,
    frame: Option<&str>,
    code: Option<u16>,
) -> Delivery {
    binary.deliver(phone, frame.map(str::as_bytes), code)
}

/// A connection with a fast peer, from now until its leg is to be closed: what the peer reads.
pub(crate) async fn write_until_closed(outbox: &Outbox) -> Vec<String> {
    let mut read = Vec::new();
    while let Some(chunk) = next_chunk(outbox).await {
        read.extend(payloads(&chunk));
        outbox.written(chunk);
    }
    read
}

/// The next chunk to write, or `None` when a close is ordered and nothing is to go before it.
pub(crate) async fn next_chunk(outbox: &Outbox) -> Option<Chunk> {
    poll_fn(|cx| {
        let work = outbox.take(cx.waker(), true);
        match (work.chunk, work.close) {
            (Some(chunk), _) => Poll::Ready(Some(chunk)),
            (None, Some(_)) => Poll::Ready(None),
            (None, None) => Poll::Pending,
        }
    })
    .await
}

/// What is queued, written at once.
pub(crate) fn write_queued(outbox: &Outbox) -> Vec<String> {
    let mut read = Vec::new();
    while let Some(chunk) = outbox.take(Waker::noop(), true).chunk {
        read.extend(payloads(&chunk));
        outbox.written(chunk);
    }
    read
}

/// Whom a binary's text is about.
pub(crate) fn conn_id(text: &str) -> &str {
    text.split('"').nth(3).expect("a conn_id")
}

pub(crate) fn is_notice(text: &str) -> bool {
    text.contains("\"close_code\"")
}

fn payloads(chunk: &Chunk) -> Vec<String> {
    let mut bytes = chunk.bytes();
    let mut found = Vec::new();
    while let [0x81, len @ 0..126, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*len));
        found.push(String::from_utf8(payload.to_vec()).expect("as it was queued"));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole text frames, none of them long");
    found
}
