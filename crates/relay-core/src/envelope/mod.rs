//! The envelope codec: everything the relay reads or writes as JSON on a binary's leg, as bytes in and bytes out.
//!
//! * phone to binary: [`check_frame`], then [`frame_prefix`] + the phone's own bytes + [`FRAME_SUFFIX`];
//! * relay to binary: [`notice`];
//! * binary to relay: [`parse()`].
//!
//! It must not know who is connected, whether a `conn_id` names anybody, whether a close code may be sent, or what a
//! frame or a wake says: those bytes pass through unread.
//! It never recurses on a peer's input.

mod check;
mod fields;
pub(crate) mod literal;
mod nesting;
mod parse;
mod plain;
mod scan;
#[cfg(test)]
mod tests;

pub use check::{NotJson, check_frame, check_frame_str};
pub use nesting::MAX_DEPTH;
pub use parse::{Envelope, EnvelopeError, Malformed, parse, parse_str};

/// What follows the phone's bytes in a routed frame; see [`frame_prefix`].
pub const FRAME_SUFFIX: &[u8] = b"}";

/// What precedes the phone's bytes in a routed frame: `{"conn_id":"…","frame":`.
///
/// Built once per phone.
/// A routed frame is this, a payload that passed [`check_frame`], and [`FRAME_SUFFIX`]; the payload goes in verbatim,
/// so a frame costs the binary leg its own length plus a constant.
///
/// # Panics
///
/// In debug builds, if `conn_id` holds anything a JSON string would have to escape; the relay mints these ids itself.
#[must_use]
pub fn frame_prefix(conn_id: &str) -> Box<[u8]> {
    debug_assert_needs_no_escape(conn_id);
    [r#"{"conn_id":""#, conn_id, r#"","frame":"#]
        .concat()
        .into_bytes()
        .into_boxed_slice()
}

/// The notice that tells a binary one of its phones is gone: `{"conn_id":"…","close_code":1001}`.
///
/// # Panics
///
/// As [`frame_prefix`].
#[must_use]
pub fn notice(conn_id: &str, close_code: u16) -> Vec<u8> {
    debug_assert_needs_no_escape(conn_id);
    format!(r#"{{"conn_id":"{conn_id}","close_code":{close_code}}}"#).into_bytes()
}

fn debug_assert_needs_no_escape(conn_id: &str) {
    debug_assert!(
        conn_id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')),
        "a conn_id is minted by the relay and needs no JSON escape"
    );
}
