//! What a binary may say to the relay, and reading it out of a message without copying.
//!
//! It must not know whether the `conn_id` exists, what a frame or wake holds, or which close codes may be sent.

use std::borrow::Cow;
use std::fmt;

use super::fields::Fields;
use super::scan::{Fault, Scanner};

/// A well-formed message from a binary.
///
/// `Debug` shows how long a frame or wake is, never what is in it.
#[derive(Clone, PartialEq, Eq)]
pub enum Envelope<'a> {
    /// Something for one phone; at least one of `frame` and `close_code` is present, and the frame goes first.
    Deliver {
        /// Whom it is for: not empty, of any length, and not yet known to name anybody.
        conn_id: Cow<'a, str>,
        /// The bytes of the JSON value to send, exactly as the binary wrote them.
        frame: Option<&'a [u8]>,
        /// The directive to close the phone, never 0; any other value a `u16` has, including those no peer may send.
        close_code: Option<u16>,
    },
    /// A wake request: the bytes of the `push_wake` value as written, any JSON but `null`. They hold a push token.
    Wake(&'a [u8]),
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver {
                conn_id,
                frame,
                close_code,
            } => f
                .debug_struct("Deliver")
                .field("conn_id", conn_id)
                .field("frame_bytes", &frame.map(<[u8]>::len))
                .field("close_code", close_code)
                .finish(),
            Self::Wake(request) => f
                .debug_struct("Wake")
                .field("bytes", &request.len())
                .finish(),
        }
    }
}

/// Why a binary's message says nothing the relay can act on; the binary's fault in every variant.
///
/// The texts hold no byte of the message.
/// When more than one variant applies, the first one listed is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not a JSON object, or a field has the wrong type.
    #[error("relay: malformed routing envelope: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: Malformed,
    },
    /// No `conn_id`, an empty one, or JSON `null` as the whole message; and no wake request either.
    #[error("relay: routing envelope missing conn_id")]
    MissingConnId,
    /// A `conn_id`, but neither a frame nor a close code for it.
    #[error("relay: routing envelope missing frame")]
    MissingFrame,
}

/// What makes an envelope malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// The message is not UTF-8, which RFC 8259 section 8.1 requires.
    NotUtf8,
    /// The message nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// The message is not one JSON value.
    NotJson,
    /// The message is JSON, but neither an object nor `null`.
    NotAnObject,
    /// A `conn_id` is neither a string nor `null`.
    ConnId,
    /// A `close_code` is neither an integer literal from 0 to 65535 nor `null`.
    CloseCode,
}

impl From<Malformed> for EnvelopeError {
    fn from(reason: Malformed) -> Self {
        Self::Malformed { reason }
    }
}

impl From<Fault> for EnvelopeError {
    fn from(fault: Fault) -> Self {
        Malformed::from(fault).into()
    }
}

impl From<Fault> for Malformed {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotJson => Self::NotJson,
            Fault::TooDeep => Self::TooDeep,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::TooDeep => "nested too deeply",
            Self::NotJson => "not valid JSON",
            Self::NotAnObject => "not an object",
            Self::ConnId => "conn_id is not a string",
            Self::CloseCode => "close_code is not an integer from 0 to 65535",
        })
    }
}

/// Reads one message from a binary.
///
/// The reading is that of Go's `encoding/json`, which the peers were built against:
///
/// * unknown keys are ignored; known ones match in any case and with escapes (`CONN_ID`, `"\u0063onn_id"`);
/// * of a repeated key the last value counts, but the type of every one is checked; a `null` takes back an earlier
///   `frame` or `push_wake` and leaves an earlier `conn_id` or `close_code` standing;
/// * a lone surrogate escape is fatal nowhere; in a `conn_id` it reads as U+FFFD;
/// * `push_wake` is looked at only when there is no `conn_id`; a `frame` or `close_code` beside it then means nothing.
///
/// Stricter than Go in one point: the message must be UTF-8.
///
/// # Errors
///
/// See [`EnvelopeError`]. The message is to be dropped; the connection it came on is sound.
pub fn parse(message: &[u8]) -> Result<Envelope<'_>, EnvelopeError> {
    let message = std::str::from_utf8(message).map_err(|_| Malformed::NotUtf8)?;
    parse_str(message)
}

/// [`parse`] for a message already known to be UTF-8, such as a WebSocket text message.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_str(message: &str) -> Result<Envelope<'_>, EnvelopeError> {
    let mut scanner = Scanner::new(message);
    let fields = match scanner.enter_object()? {
        Some(members) => Fields::read(members)?,
        None => match scanner.value()? {
            "null" => Fields::default(),
            _ => {
                scanner.end()?;
                return Err(Malformed::NotAnObject.into());
            }
        },
    };
    scanner.end()?;
    fields.resolve()
}
