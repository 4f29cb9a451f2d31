//! Why a send came to nothing: the texts that operators read, and what the waker makes of each.
//!
//! The texts are made of fixed words, status numbers and upper-case codes; nothing else of a reply gets in.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;

use crate::stats::Outcome;

/// Why one attempt to send a wake failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SendError {
    /// The token endpoint gave no access token; FCM was not asked.
    TokenFetch(FetchError),
    /// FCM answered with anything but success.
    Refused {
        status: StatusCode,
        reason: Reason,
        retry_after: Option<Duration>,
    },
    /// FCM did not answer.
    Call(CallError),
    /// The relay is stopping.
    Stopping,
    /// The task that sent it ended in a panic, or with the runtime.
    Aborted,
}

/// Why there is no access token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FetchError {
    Refused {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    Call(CallError),
    /// The request could not be signed, or the reply is no token.
    Unusable,
}

/// Why an HTTP call has no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallError {
    TimedOut,
    /// No connection; with the system's reason, if it is one that has a name.
    Connect(Option<io::ErrorKind>),
    /// The server's certificate is none that this machine trusts for that name.
    Certificate,
    /// The connection ended or was not HTTP.
    Broken,
}

/// What FCM gave as reason; see [`Reason::of`](crate::fcm) for what is let in.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Reason {
    /// `error.status`, such as `NOT_FOUND`.
    pub(crate) status: Option<Box<str>>,
    /// The FCM error code, such as `UNREGISTERED`.
    pub(crate) code: Option<Box<str>>,
}

impl SendError {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::TokenFetch(_) => Outcome::TokenFetchFailed,
            Self::Refused { reason, .. } if reason.is_unregistered() => Outcome::Unregistered,
            Self::Refused { .. } | Self::Call(_) | Self::Stopping | Self::Aborted => {
                Outcome::SendFailed
            }
        }
    }

    /// Whether the same request may succeed later: the other side is busy, broken or out of reach.
    ///
    /// An untrusted certificate is none of these: it will be no better in a minute.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, reason, .. } => {
                is_passing(*status) && !reason.is_unregistered()
            }
            Self::TokenFetch(FetchError::Refused { status, .. }) => is_passing(*status),
            Self::Call(error) | Self::TokenFetch(FetchError::Call(error)) => match error {
                CallError::TimedOut | CallError::Connect(_) | CallError::Broken => true,
                CallError::Certificate => false,
            },
            Self::TokenFetch(FetchError::Unusable) | Self::Stopping | Self::Aborted => false,
        }
    }

    /// Whether nobody answered, so that the reason may be on this side.
    pub(crate) fn is_unanswered(&self) -> bool {
        matches!(self, Self::Call(_) | Self::TokenFetch(FetchError::Call(_)))
    }

    /// How long the other side asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. }
            | Self::TokenFetch(FetchError::Refused { retry_after, .. }) => *retry_after,
            Self::TokenFetch(FetchError::Call(_) | FetchError::Unusable)
            | Self::Call(_)
            | Self::Stopping
            | Self::Aborted => None,
        }
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        )
}

impl Reason {
    pub(crate) fn is_unregistered(&self) -> bool {
        self.code.as_deref() == Some("UNREGISTERED")
    }
}

impl From<FetchError> for SendError {
    fn from(error: FetchError) -> Self {
        Self::TokenFetch(error)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::TokenFetch(error) = self {
            return error.fmt(f);
        }
        f.write_str("relay: fcm send failed: ")?;
        match self {
            Self::TokenFetch(_) => Ok(()),
            Self::Refused { status, reason, .. } => {
                write!(f, "status {}{reason}", status.as_u16())
            }
            Self::Call(error) => error.fmt(f),
            Self::Stopping => f.write_str("the relay is stopping"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("relay: fcm access-token fetch failed")?;
        match self {
            Self::Refused { status, .. } => write!(f, ": status {}", status.as_u16()),
            Self::Call(_) | Self::Unusable => Ok(()),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed out"),
            Self::Connect(None) => f.write_str("could not connect"),
            Self::Connect(Some(kind)) => write!(f, "could not connect: {kind}"),
            Self::Certificate => f.write_str("certificate not trusted"),
            Self::Broken => f.write_str("connection broken"),
        }
    }
}

/// ` (STATUS, CODE)`, of which each part may be missing, or nothing.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " ({status}, {code})"),
            (Some(only), None) | (None, Some(only)) => write!(f, " ({only})"),
            (None, None) => Ok(()),
        }
    }
}
