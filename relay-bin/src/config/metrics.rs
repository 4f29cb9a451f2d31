//! Where the metrics page is: on the loopback interface, by its address, or nowhere.

use std::net::SocketAddr;

use thiserror::Error;

/// Why a text is not a place for the metrics page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetricsListenError {
    /// A hostname could resolve to something else tomorrow; an empty host is every interface.
    #[error("want an IP address and a port; a name, localhost too, could resolve to anything")]
    NotLiteral,
    /// The page tells strangers nothing.
    #[error("the address is not on the loopback interface (127.0.0.0/8, ::1)")]
    NotLoopback,
    /// Port 0 lets the kernel choose.
    #[error("port 0 is not a fixed port")]
    PortZero,
}

/// The address; `None` for no page.
pub(super) fn address(text: &str) -> Result<Option<SocketAddr>, MetricsListenError> {
    if text.is_empty() {
        return Ok(None);
    }
    let addr: SocketAddr = text.parse().map_err(|_| MetricsListenError::NotLiteral)?;
    if !addr.ip().is_loopback() {
        Err(MetricsListenError::NotLoopback)
    } else if addr.port() == 0 {
        Err(MetricsListenError::PortZero)
    } else {
        Ok(Some(addr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MetricsListenError::{NotLiteral, NotLoopback, PortZero};

    #[test]
    fn o16_only_literals_of_the_loopback_interface() {
        for (text, expected) in [
            ("localhost:9090", NotLiteral),
            (":9090", NotLiteral),
            ("127.0.0.1", NotLiteral),
            ("127.0.0.1:", NotLiteral),
            ("127.0.0.1:65536", NotLiteral),
            ("::1:9090", NotLiteral),
            ("0.0.0.0:9090", NotLoopback),
            ("192.168.1.10:9090", NotLoopback),
            ("[2001:db8::1]:9090", NotLoopback),
            ("[::]:9090", NotLoopback),
            ("[::ffff:127.0.0.1]:9090", NotLoopback),
            ("127.0.0.1:0", PortZero),
        ] {
            assert_eq!(address(text), Err(expected), "{text}");
        }
        for text in ["127.0.0.1:9090", "127.0.0.5:1", "[::1]:65535"] {
            assert_eq!(address(text), Ok(Some(text.parse().unwrap())));
        }
        assert_eq!(address(""), Ok(None));
    }
}
