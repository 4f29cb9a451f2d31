//! Close frames: which status codes exist on the wire, and reading a peer's.
//!
//! It must not know what a status means to anyone, nor what is answered.

use std::fmt;

use fastwebsockets::CloseCode;

use super::violation::Violation;

/// Whether `code` may stand in a close frame, in either direction: 1000–1003, 1007–1014 and 3000–4999.
///
/// 1005 may not: it is the name for an empty close payload.
pub(crate) fn may_send(code: u16) -> bool {
    // 1014 (bad gateway) joined the IANA registry after fastwebsockets' table was written.
    CloseCode::from(code).is_allowed() || code == 1014
}

/// A peer's close frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerClose<'a> {
    /// An empty payload, which the API of every WebSocket library reports as 1005.
    NoStatus,
    /// A code for which [`may_send`] holds, and up to 123 bytes of text, often none.
    Status { code: u16, reason: &'a str },
}

impl<'a> PeerClose<'a> {
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Violation> {
        match payload {
            [] => Ok(Self::NoStatus),
            [_] => Err(Violation::TruncatedCloseCode),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !may_send(code) {
                    return Err(Violation::InvalidCloseCode);
                }
                let reason = simdutf8::basic::from_utf8(reason)
                    .map_err(|_| Violation::InvalidCloseReason)?;
                Ok(Self::Status { code, reason })
            }
        }
    }
}

/// Shows the code and how long the reason is, never what is in it.
impl fmt::Debug for PeerClose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStatus => f.write_str("Close(no status)"),
            Self::Status { code, reason } => write!(f, "Close({code}, {} bytes)", reason.len()),
        }
    }
}
