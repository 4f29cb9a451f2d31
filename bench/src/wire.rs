//! The relay's wire as its peers speak it, as plain bytes: upgrade requests, client frames, server frames.

use std::fmt::Write as _;

/// Text, final.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PONG: u8 = 0x8a;

/// What a peer asks the relay for.
pub(crate) fn request(path: &str, server_id: &str) -> String {
    let mut request = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        request,
        "GET {path} HTTP/1.1\r\nHost: bench.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         X-Pyrycode-Server: {server_id}\r\nX-Pyrycode-Version: bench\r\nX-Pyrycode-Token: bench\r\n\
         User-Agent: bench\r\n\r\n"
    );
    request
}

/// A phone's payload of exactly `bytes` bytes, shaped like the real one; at least 48.
pub(crate) fn payload(bytes: usize) -> String {
    let mut payload = String::from(r#"{"v":2,"type":"noise_msg","data":""#);
    let filler = bytes.saturating_sub(payload.len() + 2);
    payload.extend(std::iter::repeat_n('A', filler));
    payload.push_str("\"}");
    payload
}

/// Appends a client's text frame. The masking key is fixed: unmasking costs the relay the same whatever it is.
pub(crate) fn masked_text(payload: &[u8], out: &mut Vec<u8>) {
    masked(TEXT, payload, out);
}

pub(crate) fn masked_close(code: u16, out: &mut Vec<u8>) {
    masked(CLOSE, &code.to_be_bytes(), out);
}

pub(crate) fn masked_pong(payload: &[u8], out: &mut Vec<u8>) {
    masked(PONG, payload, out);
}

fn masked(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    head(first, 0x80, payload.len(), out);
    // A key of zeros leaves the payload as it is, which spares this side the work and the other nothing.
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Appends a server's text frame.
pub(crate) fn plain_text(payload: &[u8], out: &mut Vec<u8>) {
    head(TEXT, 0, payload.len(), out);
    out.extend_from_slice(payload);
}

fn head(first: u8, mask_bit: u8, len: usize, out: &mut Vec<u8>) {
    out.push(first);
    match len {
        0..=125 => out.push(mask_bit | len as u8),
        126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// One frame, whoever sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Frame<'b> {
    pub(crate) kind: Kind,
    pub(crate) payload: &'b [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Text,
    Close,
    Ping,
    Other,
}

/// The frame at the front of `bytes` and its length with its head; `None` while it is not whole.
pub(crate) fn frame(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match second & 0x7f {
        126 => {
            let (wide, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*wide)), rest)
        }
        127 => {
            let (wide, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*wide)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    // Masked frames come from our own clients, whose key is zero.
    let rest = rest.get(if second & 0x80 == 0 { 0 } else { 4 }..)?;
    let payload = rest.get(..len)?;
    let kind = match first & 0x0f {
        1 => Kind::Text,
        8 => Kind::Close,
        9 => Kind::Ping,
        _ => Kind::Other,
    };
    let total = bytes.len() - rest.len() + len;
    Some((Frame { kind, payload }, total))
}

/// The status in a close frame's payload; 1005 for none.
pub(crate) fn close_code(payload: &[u8]) -> u16 {
    payload
        .first_chunk()
        .map_or(1005, |code| u16::from_be_bytes(*code))
}

/// What comes behind a routed frame's `conn_id`, for a daemon that speaks first: its text, without quotes.
pub(crate) fn conn_id(envelope: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(envelope).ok()?;
    text.strip_prefix(r#"{"conn_id":""#)?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_size_asked_for_and_is_json() {
        for bytes in [48, 64, 1024, 16_384] {
            let payload = payload(bytes);
            assert_eq!(payload.len(), bytes);
            let value: serde_json::Value = serde_json::from_str(&payload).unwrap();
            assert_eq!(value["type"], "noise_msg");
        }
    }

    #[test]
    fn a_frame_is_read_back_whole_and_not_before() {
        for len in [0, 125, 126, 65_535, 65_536] {
            for write in [masked_text, plain_text] {
                let payload = vec![b'7'; len];
                let mut bytes = Vec::new();
                write(&payload, &mut bytes);
                for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                    assert_eq!(frame(&bytes[..cut]), None, "{len} {cut}");
                }
                let total = bytes.len();
                bytes.push(0x81);
                let (frame, taken) = frame(&bytes).unwrap();
                assert_eq!((frame.kind, taken), (Kind::Text, total));
                assert_eq!(frame.payload, payload);
            }
        }
    }

    #[test]
    fn the_conn_id_of_an_envelope() {
        assert_eq!(
            conn_id(br#"{"conn_id":"client-1","frame":{}}"#),
            Some("client-1")
        );
        assert_eq!(conn_id(b"[]"), None);
    }
}
