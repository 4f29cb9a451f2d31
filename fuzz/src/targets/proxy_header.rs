//! The reader of PROXY headers. The input is what a proxy sends: a header, and what follows it.
//!
//! It has to find the source that the specification says is there, or refuse, in any cuts; and it takes the header off
//! the stream and not a byte more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use relay_transport::internals::proxied_source;

use crate::cuts::{self, Reads};

/// The longest header that is taken: 16 fixed bytes, and what they announce.
const MAX_V2: usize = 4096;
/// The longest line, its end included (specification, section 2.1).
const MAX_V1: usize = 107;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(crate) fn proxy_header(stream: &[u8]) {
    let expected = header(stream);
    for parts in [
        vec![stream],
        stream.chunks(1).collect(),
        cuts::parts(stream, 9),
        cuts::parts(stream, 60),
    ] {
        let mut reads = Reads::new(parts);
        let seen = read(&mut reads, stream.len());
        let taken = stream.len() - reads.rest().len();
        match (expected, seen) {
            (Some(header), Ok(source)) => {
                assert_eq!(source, header.source, "whom the header names");
                assert_eq!(taken, header.len, "what belongs to the header");
            }
            (None, Err(text)) => {
                assert!(taken <= MAX_V2, "{taken} bytes taken of no header");
                assert!(text.is_ascii() && text.len() < 80, "{text}");
            }
            (expected, seen) => panic!("{seen:?} instead of {expected:?}"),
        }
        assert_eq!(reads.rest(), &stream[taken..], "what follows, untouched");
    }
}

/// Polls without a runtime: the stream is never without a next part, so each poll gets further.
fn read(reads: &mut Reads<'_>, len: usize) -> Result<Option<SocketAddr>, String> {
    let mut reading = pin!(proxied_source(reads));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..=2 * len + 2 {
        if let Poll::Ready(source) = reading.as_mut().poll(&mut cx) {
            return source;
        }
    }
    panic!("still reading when there is nothing left");
}

#[derive(Clone, Copy, Debug)]
struct Header {
    /// `None` for a connection that stands for nobody else.
    source: Option<SocketAddr>,
    len: usize,
}

/// The header in front of a stream, as the specification has it; it has the whole stream before it starts.
fn header(stream: &[u8]) -> Option<Header> {
    if stream.starts_with(SIGNATURE) {
        version_2(stream)
    } else {
        version_1(stream)
    }
}

/// Section 2.1: words between single spaces, on a line of their own.
fn version_1(stream: &[u8]) -> Option<Header> {
    let end = stream.windows(2).position(|two| two == b"\r\n")?;
    let len = end + 2;
    let line = &stream[..end];
    // A line feed or carriage return on its own is none of ours to interpret.
    if len > MAX_V1 || line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return None;
    }
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let source = match words[..] {
        // What else is on the line is to be ignored.
        [b"PROXY", b"UNKNOWN", ..] => None,
        [b"PROXY", b"TCP4", source, destination, from, to] => {
            let address = |word| Some(IpAddr::V4(parsed::<Ipv4Addr>(word)?));
            let (source, _) = (address(source)?, address(destination)?);
            let (from, _) = (port(from)?, port(to)?);
            Some(SocketAddr::new(source, from))
        }
        [b"PROXY", b"TCP6", source, destination, from, to] => {
            let address = |word| Some(IpAddr::V6(parsed::<Ipv6Addr>(word)?));
            let (source, _) = (address(source)?, address(destination)?);
            let (from, _) = (port(from)?, port(to)?);
            Some(SocketAddr::new(source, from))
        }
        _ => return None,
    };
    Some(Header { source, len })
}

fn parsed<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// "A decimal integer in the range [0..65535] inclusive, heading zeroes are not permitted".
fn port(word: &[u8]) -> Option<u16> {
    let port: u16 = parsed(word)?;
    (port.to_string().as_bytes() == word).then_some(port)
}

/// Section 2.2: a signature, version and command, family and protocol, a length, and so many bytes.
fn version_2(stream: &[u8]) -> Option<Header> {
    let &[version_command, family, high, low] = stream.get(12..16)? else {
        return None;
    };
    let len = 16 + usize::from(u16::from_be_bytes([high, low]));
    let body = stream.get(16..len)?;
    if len > MAX_V2 {
        return None;
    }
    let source = match (version_command, family) {
        // LOCAL: the block is to be discarded, "including the family which is ignored".
        (0x20, _) => None,
        (0x21, 0x11) => {
            let octets: [u8; 4] = body.get(..4)?.try_into().ok()?;
            Some(SocketAddr::new(octets.into(), number(body.get(8..12)?)))
        }
        (0x21, 0x21) => {
            let octets: [u8; 16] = body.get(..16)?.try_into().ok()?;
            Some(SocketAddr::new(octets.into(), number(body.get(32..36)?)))
        }
        _ => return None,
    };
    Some(Header { source, len })
}

/// The first of two ports.
fn number(ports: &[u8]) -> u16 {
    u16::from(ports[0]) * 256 + u16::from(ports[1])
}
