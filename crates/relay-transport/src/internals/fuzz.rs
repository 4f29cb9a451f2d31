//! What fuzz targets look at: the frame decoder beside its slow reference, and the reader of PROXY headers.

use std::net::SocketAddr;

use tokio::io::AsyncRead;

use crate::admission::read_proxy_header;
use crate::ws::{reference, trial};

/// Holds the decoder that is fed `parts`, each as a read of its own, against the reference that has all of them at
/// once. `max_message_bytes` is inclusive.
///
/// # Panics
/// When they make different things of the bytes, or the decoder holds more than it may.
pub fn assert_decoders_agree(max_message_bytes: usize, parts: &[&[u8]]) {
    let expected = reference::decode(max_message_bytes, &parts.concat());
    let seen = trial::run(max_message_bytes, parts.iter().copied());
    assert_eq!(seen, expected, "the decoder, and the reference");
}

/// Reads a PROXY header off the front of `stream`: the source it names, `None` for a connection of the proxy's own.
///
/// # Errors
/// Why the connection would be dropped, as text.
///
/// # Cancel safety
/// None.
pub async fn proxied_source(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, String> {
    read_proxy_header(stream)
        .await
        .map_err(|error| error.to_string())
}
