//! One admitted wake on its way to its one outcome, and the line that tells it.

use std::fmt;
use std::time::{Duration, Instant};

use relay_core::{ServerId, WakeToken};
use tracing::{info, warn};

use crate::digest::Digest;
use crate::error::SendError;
use crate::fcm::MessageId;
use crate::stats::Outcome;

/// A wake that was admitted and has not ended.
#[derive(Debug)]
pub(super) struct Wake {
    pub(super) id: u64,
    pub(super) server: Digest,
    pub(super) device: Digest,
    pub(super) token: WakeToken,
    server_id: Box<str>,
    asked: Instant,
    /// No attempt begins from here on.
    pub(super) deadline: Instant,
    pub(super) attempts: u32,
    last_error: Option<SendError>,
}

/// What is about to become a [`Wake`]; made outside of any lock.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) server: Digest,
    pub(super) device: Digest,
    pub(super) server_id: Box<str>,
    pub(super) token: WakeToken,
}

/// A wake at its end: one counter step and one log line.
#[derive(Debug)]
pub(super) struct Ended {
    server_id: Box<str>,
    device: Digest,
    lasted: Duration,
    end: End,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    Sent(Option<MessageId>),
    Failed(SendError),
    /// Another wake learned in the meantime that this token is dead.
    Unregistered,
    /// Its time was over before its turn came.
    Late,
}

/// Bytes of a server-id, as it is shown, that a log line keeps; it is whatever a daemon put into a header.
const MAX_SERVER_ID_BYTES: usize = 256;

impl Request {
    pub(super) fn new(server_id: &ServerId, token: WakeToken) -> Self {
        Self {
            server: Digest::of(server_id.as_bytes()),
            device: Digest::of(token.expose().as_bytes()),
            server_id: clip(server_id.as_bytes()),
            token,
        }
    }
}

impl Wake {
    pub(super) fn new(id: u64, request: Request, now: Instant, lifetime: Duration) -> Self {
        Self {
            id,
            server: request.server,
            device: request.device,
            token: request.token,
            server_id: request.server_id,
            asked: now,
            deadline: now + lifetime,
            attempts: 0,
            last_error: None,
        }
    }

    /// The attempt failed; there may be another.
    pub(super) fn failed(&mut self, error: SendError) {
        self.attempts += 1;
        self.last_error = Some(error);
    }

    /// Its time is over: the last failure is the reason, if there was one.
    pub(super) fn expired(mut self, now: Instant) -> Ended {
        let end = self.last_error.take().map_or(End::Late, End::Failed);
        self.ended(end, now)
    }

    pub(super) fn ended(self, end: End, now: Instant) -> Ended {
        Ended {
            server_id: self.server_id,
            device: self.device,
            lasted: now.saturating_duration_since(self.asked),
            end,
        }
    }
}

impl Ended {
    pub(super) fn outcome(&self) -> Outcome {
        match &self.end {
            End::Sent(_) => Outcome::Sent,
            End::Failed(error) => error.outcome(),
            End::Unregistered => Outcome::Unregistered,
            End::Late => Outcome::Dropped,
        }
    }

    #[cfg(any(test, feature = "internals"))]
    pub(super) fn end(&self) -> &End {
        &self.end
    }

    /// The one line; `duration` is from the request to its end, with all the waiting in between.
    pub(super) fn log(&self) {
        let server_id = &*self.server_id;
        let token_fp = self.device.fingerprint();
        let duration = format!("{:.1}ms", self.lasted.as_secs_f64() * 1000.0);
        match &self.end {
            End::Sent(id) => {
                let fcm_message_id = id.as_ref().map(tracing::field::display);
                info!(server_id, %token_fp, duration, fcm_message_id, "push_wake_sent");
            }
            err @ (End::Failed(_) | End::Unregistered | End::Late) => {
                warn!(server_id, %token_fp, duration, %err, "push_wake_send_failed");
            }
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(_) => f.write_str("sent"),
            Self::Failed(error) => error.fmt(f),
            Self::Unregistered => relay_core::WakeRefused::Unregistered.fmt(f),
            Self::Late => f.write_str("relay: push_wake waited too long"),
        }
    }
}

fn clip(bytes: &[u8]) -> Box<str> {
    // A character more than is kept, so that one across the end does not show as broken.
    let start = &bytes[..bytes.len().min(MAX_SERVER_ID_BYTES + char::MAX.len_utf8())];
    let text = String::from_utf8_lossy(start);
    if text.len() <= MAX_SERVER_ID_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_SERVER_ID_BYTES);
    format!("{}…", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_server_ids_are_cut() {
        assert_eq!(&*clip(b"short"), "short");
        assert_eq!(&*clip(&[b'a'; 256]), "a".repeat(256));
        assert_eq!(&*clip(&[b'a'; 257]), format!("{}…", "a".repeat(256)));
        let odd = [b"x", "é".repeat(200).as_bytes()].concat();
        assert_eq!(&*clip(&odd), format!("x{}…", "é".repeat(127)));
    }

    #[test]
    fn server_ids_that_are_not_text_grow_when_shown_and_are_cut_all_the_same() {
        for length in [100, 256, 10_000] {
            let shown = clip(&vec![0xff; length]);
            assert!(
                shown.len() <= MAX_SERVER_ID_BYTES + '…'.len_utf8(),
                "{length}"
            );
            assert!(shown.ends_with('…'));
        }
        assert_eq!(&*clip(b"caf\xe9"), "caf\u{fffd}");
    }
}
