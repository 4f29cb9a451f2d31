//! What a client gets that speaks plain HTTP to the TLS port.

/// In HTTP/1.0, which needs no framing and which every client understands.
pub(super) const ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\
Content-Type: text/plain; charset=utf-8\r\n\
Connection: close\r\n\
\r\n\
Client sent an HTTP request to an HTTPS server.\n";
