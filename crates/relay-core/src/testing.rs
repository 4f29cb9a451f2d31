//! What this crate's tests share: a beginning of time, a waker that counts, and frames read back from the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Instant;

use crate::Outbox;

/// Some moment; all others are made from it.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant has no other constructor; the tests move on by adding to it"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// How often a waker was woken.
#[derive(Default, Debug)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn counting_waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (Arc::clone(&wakes), Waker::from(wakes))
}

/// The payloads of `bytes`, which must be whole unmasked text frames with the shortest heads.
pub(crate) fn payloads(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(*first, 0x81, "one final text frame");
        let (len, rest) = match *second {
            126 => {
                let (len, rest) = rest.split_at(2);
                let len = usize::from(u16::from_be_bytes(len.try_into().unwrap()));
                assert!(len > 125);
                (len, rest)
            }
            127 => {
                let (len, rest) = rest.split_at(8);
                let len = u64::from_be_bytes(len.try_into().unwrap());
                assert!(len > u64::from(u16::MAX));
                (usize::try_from(len).unwrap(), rest)
            }
            short => {
                assert!(short < 126, "unmasked");
                (usize::from(short), rest)
            }
        };
        let (payload, rest) = rest.split_at(len);
        found.push(String::from_utf8(payload.to_vec()).unwrap());
        bytes = rest;
    }
    assert!(bytes.is_empty(), "a whole number of frames");
    found
}

/// Writes everything queued, as a connection with a fast peer does, and returns what its peer reads.
pub(crate) fn write_all(outbox: &Outbox) -> Vec<String> {
    let mut read = Vec::new();
    while let Some(chunk) = outbox.take(Waker::noop(), true).chunk {
        read.extend(payloads(chunk.bytes()));
        outbox.written(chunk);
    }
    read
}
