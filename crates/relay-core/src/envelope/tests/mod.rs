//! Tests of the envelope codec: tables per verb, the nesting limit, and slow models that must agree on random input.

mod check;
mod depth;
mod differential;
mod parse;
mod write;

use super::Envelope;

/// What [`parse`](super::parse) makes of a message, as one line: `conn_id <- frame / close_code`, a wake, or the error.
///
/// Envelopes keep payload bytes out of their `Debug`, so tables and models compare these lines instead.
fn outcome(message: &[u8]) -> String {
    match super::parse(message) {
        Ok(Envelope::Deliver {
            conn_id,
            frame,
            close_code,
        }) => {
            let frame = frame.map_or("-".into(), String::from_utf8_lossy);
            let close_code = close_code.map_or("-".into(), |code| code.to_string());
            format!("{conn_id} <- {frame} / {close_code}")
        }
        Ok(Envelope::Wake(request)) => format!("wake {}", String::from_utf8_lossy(request)),
        Err(error) => error.to_string(),
    }
}
