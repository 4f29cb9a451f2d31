//! The PROXY protocol header in front of a connection, versions 1 and 2
//! ([specification](https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt)).
//!
//! It is read per connection, never in the accept loop, and not a byte further than its end: what follows belongs to
//! TLS or HTTP. Whoever is refused gets no answer.

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest version 1 line, its end included (§2.1).
const MAX_V1: usize = 107;

/// The fixed part of a version 2 header (§2.2).
const V2_FIXED: usize = 16;

/// The largest version 2 header taken. Senders in use stay under 600 bytes; the length field allows 64 KiB.
const MAX_V2: usize = 4096;

/// Why a connection is dropped before it said anything.
#[derive(Debug, Error)]
pub(crate) enum ProxyHeaderError {
    /// It does not begin with a header, or with a broken one.
    #[error("no valid PROXY header")]
    Invalid,
    /// It proxies something that is not a TCP connection over IP.
    #[error("PROXY header without a TCP source address")]
    NoSource,
    /// The stream failed or ended within the header.
    #[error("stream ended within the PROXY header")]
    Io(#[source] io::Error),
}

/// Reads the header and returns the proxied source; `None` for a connection of the proxy's own, a health check.
///
/// # Cancel safety
/// None: after a timeout the connection can only be dropped.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    let mut header = Vec::with_capacity(MAX_V1);
    grow(stream, &mut header, 1).await?;
    match header.first() {
        Some(b'P') => read_v1(stream, &mut header).await?,
        Some(b'\r') => read_v2(stream, &mut header).await?,
        _ => return Err(ProxyHeaderError::Invalid),
    }
    source(&header)
}

async fn read_v1(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
) -> Result<(), ProxyHeaderError> {
    while !header.ends_with(b"\n") {
        if header.len() == MAX_V1 || !is_prefix_of_v1(header) {
            return Err(ProxyHeaderError::Invalid);
        }
        grow(stream, header, 1).await?;
    }
    Ok(())
}

/// A wrong byte is refused when it comes, not when the line ends.
fn is_prefix_of_v1(header: &[u8]) -> bool {
    const START: &[u8] = b"PROXY ";
    let shared = header.len().min(START.len());
    header[..shared] == START[..shared]
}

async fn read_v2(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
) -> Result<(), ProxyHeaderError> {
    const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
    grow(stream, header, SIGNATURE.len() - 1).await?;
    if header != SIGNATURE {
        return Err(ProxyHeaderError::Invalid);
    }
    grow(stream, header, V2_FIXED - SIGNATURE.len()).await?;
    let announced = u16::from_be_bytes([header[14], header[15]]);
    if V2_FIXED + usize::from(announced) > MAX_V2 {
        return Err(ProxyHeaderError::Invalid);
    }
    grow(stream, header, announced.into()).await
}

async fn grow(
    stream: &mut (impl AsyncRead + Unpin),
    header: &mut Vec<u8>,
    bytes: usize,
) -> Result<(), ProxyHeaderError> {
    let start = header.len();
    header.resize(start + bytes, 0);
    let read = stream.read_exact(&mut header[start..]).await;
    read.map(|_| ()).map_err(ProxyHeaderError::Io)
}

fn source(header: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
    if is_local(header) {
        return Ok(None);
    }
    if header.starts_with(b"PROXY") && !is_strict_v1(header) {
        return Err(ProxyHeaderError::Invalid);
    }
    let (parsed, used) = ProxyHeader::parse(header, ParseConfig::default())
        .map_err(|_| ProxyHeaderError::Invalid)?;
    if used != header.len() {
        return Err(ProxyHeaderError::Invalid);
    }
    match parsed.proxied_address() {
        Some(address) if address.protocol == Protocol::Stream => Ok(Some(address.source)),
        Some(_) => Err(ProxyHeaderError::NoSource),
        // UNKNOWN in version 1: the connection stands for nobody else.
        None if header.starts_with(b"PROXY") => Ok(None),
        None => Err(ProxyHeaderError::NoSource),
    }
}

/// LOCAL in version 2: the connection is the proxy's own, and what block follows is to be discarded, "including the
/// family which is ignored" (§2.2). The parser refuses families it does not know.
fn is_local(header: &[u8]) -> bool {
    const LOCAL: u8 = 0x20;
    header[0] == b'\r' && header[12] == LOCAL
}

/// What the parser lets pass of a line and §2.1 does not: a word that only begins with UNKNOWN, and ports with a sign or
/// with zeros in front.
fn is_strict_v1(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    match words.next() {
        Some(b"UNKNOWN") => true,
        Some(b"TCP4" | b"TCP6") => words
            .skip(2)
            .all(|port| port == b"0" || matches!(port, [b'1'..=b'9', ..])),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

    fn v2(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).expect("length").to_be_bytes();
        [SIGNATURE, &[version_command, family], &len, body].concat()
    }

    const TCP4: &[u8] = &[192, 0, 2, 1, 10, 0, 0, 1, 0x30, 0x39, 1, 0xbb];

    async fn check(bytes: &[u8]) -> Result<Option<SocketAddr>, ProxyHeaderError> {
        let mut stream = bytes;
        let source = read(&mut stream).await;
        if source.is_ok() {
            assert_eq!(stream, b"", "read too little");
        }
        source
    }

    fn address(text: &str) -> Option<SocketAddr> {
        Some(text.parse().expect("address"))
    }

    #[tokio::test]
    async fn o30_sources_are_read_from_both_versions() {
        let v1 = b"PROXY TCP4 192.0.2.1 10.0.0.1 12345 443\r\n";
        assert_eq!(check(v1).await.expect("v1"), address("192.0.2.1:12345"));
        let v1 = b"PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n";
        assert_eq!(check(v1).await.expect("v1"), address("[2001:db8::1]:12345"));
        let plain = v2(0x21, 0x11, TCP4);
        assert_eq!(check(&plain).await.expect("v2"), address("192.0.2.1:12345"));
        let with_tlv = v2(0x21, 0x11, &[TCP4, &[0x04, 0, 3, 1, 2, 3]].concat());
        assert_eq!(
            check(&with_tlv).await.expect("v2"),
            address("192.0.2.1:12345")
        );
        let mut tcp6 = vec![0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        tcp6.extend([0; 16]);
        tcp6.extend([0x30, 0x39, 1, 0xbb]);
        let tcp6 = v2(0x21, 0x21, &tcp6);
        assert_eq!(
            check(&tcp6).await.expect("v2"),
            address("[2001:db8::1]:12345")
        );
    }

    #[tokio::test]
    async fn the_proxys_own_connections_keep_their_address() {
        assert_eq!(check(&v2(0x20, 0x00, &[])).await.expect("LOCAL"), None);
        assert_eq!(check(&v2(0x20, 0x11, TCP4)).await.expect("LOCAL"), None);
        assert_eq!(check(b"PROXY UNKNOWN\r\n").await.expect("UNKNOWN"), None);
    }

    /// The parser would take all of these.
    #[tokio::test]
    async fn a_line_is_read_to_the_letter() {
        for line in [
            "PROXY UNKNOWNfoo\r\n",
            "PROXY UNKNOWN_ ffff::1 ffff::1 1 1\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 +2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 080 2\r\n",
            "PROXY TCP6 ::1 ::1 1 00\r\n",
        ] {
            assert!(check(line.as_bytes()).await.is_err(), "{line}");
        }
        let zero = b"PROXY TCP4 192.0.2.1 10.0.0.1 0 0\r\n";
        assert_eq!(check(zero).await.expect("v1"), address("192.0.2.1:0"));
        let long = b"PROXY UNKNOWN whatever else there is\r\n";
        assert_eq!(check(long).await.expect("UNKNOWN"), None);
    }

    /// The parser would refuse all of these.
    #[tokio::test]
    async fn the_block_of_a_local_connection_is_not_looked_at() {
        for family in [0x00, 0x10, 0x31, 0x44, 0xff] {
            for block in [&[][..], &[0xff; 3], TCP4] {
                let local = v2(0x20, family, block);
                assert_eq!(check(&local).await.expect("LOCAL"), None, "{family:#x}");
            }
        }
    }

    #[tokio::test]
    async fn o31_everything_else_is_refused() {
        let oversized = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            &[0x16, 3, 1, 0, 0],
            b"PROXX TCP4",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 12345\r\n",
            b"PROXY TCP4 999.0.2.1 10.0.0.1 12345 443\r\n",
            &v2(0x21, 0x00, &[]),
            &v2(0x21, 0x12, TCP4),
            &v2(0x21, 0x31, &[0; 216]),
            &v2(0x31, 0x11, TCP4),
            &v2(0x22, 0x11, TCP4),
            &v2(0x21, 0x11, &TCP4[..8]),
            &oversized,
            &[b"PROXY ".as_slice(), &[b'x'; 200]].concat(),
        ] {
            assert!(check(bytes).await.is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[tokio::test]
    async fn nothing_behind_the_header_is_taken() {
        let header = v2(0x21, 0x11, TCP4);
        let bytes = [&header[..], b"\x16\x03\x01"].concat();
        let mut stream = &bytes[..];
        read(&mut stream).await.expect("header");
        assert_eq!(stream, b"\x16\x03\x01");
        let mut stream = &b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\nGET /"[..];
        read(&mut stream).await.expect("header");
        assert_eq!(stream, b"GET /");
    }

    #[tokio::test]
    async fn a_header_cut_short_is_an_error() {
        let header = v2(0x21, 0x11, TCP4);
        for end in 0..header.len() {
            assert!(check(&header[..end]).await.is_err(), "{end}");
        }
    }
}
