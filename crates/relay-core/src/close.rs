//! What a leg is closed with, why, and how much of its queue goes out first.

use std::fmt;
use std::time::Duration;

/// A close status a server may put on the wire, or the absence of one.
///
/// RFC 6455 §7.4 with the IANA registry: 1000–1003, 1007–1014 and 3000–4999. 1005 means "no status": the close
/// frame is empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000.
    pub const NORMAL: Self = Self(1000);
    /// 1001.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1005: a close frame without a payload.
    pub const NO_STATUS: Self = Self(1005);
    /// 1011.
    pub const INTERNAL: Self = Self(1011);
    /// 4404.
    pub const NO_SERVER: Self = Self(4404);
    /// 4409.
    pub const SERVER_IN_USE: Self = Self(4409);
    /// 4429.
    pub const TOO_MANY_PHONES: Self = Self(4429);

    /// `None` for a code that may not be sent.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1005 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number, 1005 for "no status".
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why the relay closes a leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The relay shuts down.
    Drain,
    /// A binary asked for it.
    Directive,
    /// A binary asked for it with a code that may not be sent.
    InvalidDirective,
    /// Another binary holds the server-id now.
    Evicted,
    /// The binary did not come back in time.
    GraceExpired,
    /// No sign of life, or silence in a conflict probe.
    HeartbeatTimeout,
    /// The phone's queue, or everybody's, is full and this one is the largest.
    BacklogFull,
    /// A claim or join was refused.
    Refused,
    /// The phone sent something that is not JSON.
    NotJson,
    /// The phone's binary is gone.
    NoBinary,
    /// The peer broke the WebSocket protocol.
    Violation,
}

/// How much of what is queued goes out before the close frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    /// Nothing but the chunk being written: the rest is dropped.
    Nothing,
    /// Everything, for as long as the peer makes progress.
    All,
    /// Everything the peer takes within this time from when its connection sees the order; the rest is dropped.
    Within(Duration),
}

impl Flush {
    /// The stricter of two.
    pub(crate) fn tighten(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => Self::Nothing,
            (Self::All, other) => other,
            (one, Self::All) => one,
            (Self::Within(a), Self::Within(b)) => Self::Within(a.min(b)),
        }
    }
}

/// An order to close a leg: the first one wins, later ones can only shorten its flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Close {
    /// The status the peer reads.
    pub code: CloseCode,
    /// The reason the peer reads: fixed text, never an id or a peer's bytes.
    pub reason: &'static str,
    /// Why.
    pub cause: Cause,
    /// What goes out before it.
    pub flush: Flush,
}

impl Close {
    const fn dropping(code: CloseCode, reason: &'static str, cause: Cause) -> Self {
        Self {
            code,
            reason,
            cause,
            flush: Flush::Nothing,
        }
    }

    /// 1001 `shutting down`, behind what the peer takes within `flush`.
    pub const fn drain(flush: Duration) -> Self {
        Self {
            code: CloseCode::GOING_AWAY,
            reason: "shutting down",
            cause: Cause::Drain,
            flush: Flush::Within(flush),
        }
    }

    /// A binary's `close_code`, behind everything queued.
    pub const fn directive(code: CloseCode) -> Self {
        Self {
            code,
            reason: "",
            cause: Cause::Directive,
            flush: Flush::All,
        }
    }

    /// 1011 in place of a `close_code` that may not be sent, behind everything queued.
    pub const fn invalid_directive() -> Self {
        Self {
            code: CloseCode::INTERNAL,
            reason: "invalid close code",
            cause: Cause::InvalidDirective,
            flush: Flush::All,
        }
    }

    /// 4404 `binary reclaimed server-id`.
    pub const fn evicted() -> Self {
        Self::dropping(
            CloseCode::NO_SERVER,
            "binary reclaimed server-id",
            Cause::Evicted,
        )
    }

    /// 1000: the binary did not come back.
    pub const fn grace_expired() -> Self {
        Self::dropping(CloseCode::NORMAL, "", Cause::GraceExpired)
    }

    /// 1011 `heartbeat timeout`.
    pub const fn heartbeat_timeout() -> Self {
        Self::dropping(
            CloseCode::INTERNAL,
            "heartbeat timeout",
            Cause::HeartbeatTimeout,
        )
    }

    /// 1011 `phone backlog full`, or the code of the directive that no longer fitted.
    pub const fn backlog_full(directive: Option<CloseCode>) -> Self {
        let code = match directive {
            Some(code) => code,
            None => CloseCode::INTERNAL,
        };
        Self::dropping(code, "phone backlog full", Cause::BacklogFull)
    }

    /// A refused claim or join.
    pub const fn refused(code: CloseCode, reason: &'static str) -> Self {
        Self::dropping(code, reason, Cause::Refused)
    }

    /// 1000: the phone sent something that is not JSON. What its binary sent before still goes out.
    pub const fn not_json(flush: Duration) -> Self {
        Self {
            code: CloseCode::NORMAL,
            reason: "",
            cause: Cause::NotJson,
            flush: Flush::Within(flush),
        }
    }

    /// 1000: the phone's binary is gone. What that binary sent before still goes out.
    pub const fn no_binary(flush: Duration) -> Self {
        Self {
            code: CloseCode::NORMAL,
            reason: "",
            cause: Cause::NoBinary,
            flush: Flush::Within(flush),
        }
    }

    /// A protocol offence of the peer.
    pub const fn violation(code: CloseCode, reason: &'static str) -> Self {
        Self::dropping(code, reason, Cause::Violation)
    }
}
