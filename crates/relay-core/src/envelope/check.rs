//! The check a phone's payload must pass before it is spliced into an envelope: is it exactly one JSON value?
//!
//! It must not know what the value says, nor change a byte of it.

use super::scan::Scanner;

/// A phone's payload is not one JSON text in UTF-8, or it nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
///
/// The phone's fault.
/// It carries no detail, because every detail would be made of the phone's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("relay: frame is not valid JSON")]
#[non_exhaustive]
pub struct NotJson;

/// Checks that `payload` is UTF-8 and exactly one JSON value of any type, as RFC 8259 sections 2 and 8.1 define it.
///
/// White space around the value is allowed; an empty payload, a byte order mark and anything after the value are not.
/// Lone surrogate escapes, duplicate keys and numbers of any size or spelling are valid JSON and pass.
///
/// # Errors
///
/// [`NotJson`] if it is anything else, or nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
pub fn check_frame(payload: &[u8]) -> Result<(), NotJson> {
    let payload = std::str::from_utf8(payload).map_err(|_| NotJson)?;
    check_frame_str(payload)
}

/// [`check_frame`] for a payload already known to be UTF-8, such as a WebSocket text message.
///
/// # Errors
///
/// As [`check_frame`].
pub fn check_frame_str(payload: &str) -> Result<(), NotJson> {
    let mut scanner = Scanner::new(payload);
    scanner
        .skip_value()
        .and_then(|()| scanner.end())
        .map_err(|_| NotJson)
}
