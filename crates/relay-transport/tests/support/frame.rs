//! One WebSocket frame, of any shape a client could send, and exactly as a server sent it.

use std::fmt;

pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// Absent from the first byte of all but the last fragment.
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x00;
pub(crate) const RSV1: u8 = 0x40;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame: FIN, RSV and opcode in `first`, as on the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(first: u8, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self { first, payload }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new(TEXT, text.into())
    }

    pub(crate) fn ping(payload: &str) -> Self {
        Self::new(PING, payload)
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
    }

    /// The bytes a client sends. A long payload gets the mask of zeros, which changes nothing: masking it byte by byte
    /// takes longer than the relay's part of a test.
    pub(crate) fn masked(&self) -> Vec<u8> {
        let mut bytes = self.head(0x80);
        if self.payload.len() > 4096 {
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(&self.payload);
            return bytes;
        }
        bytes.extend_from_slice(&MASK);
        let masked = self.payload.iter().zip(MASK.iter().cycle());
        bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// The bytes a client must not send.
    pub(crate) fn unmasked(&self) -> Vec<u8> {
        let mut bytes = self.head(0);
        bytes.extend_from_slice(&self.payload);
        bytes
    }

    fn head(&self, mask_bit: u8) -> Vec<u8> {
        let len = self.payload.len();
        let mut head = vec![self.first];
        if len < 126 {
            head.push(mask_bit | len as u8);
        } else if let Ok(short) = u16::try_from(len) {
            head.push(mask_bit | 126);
            head.extend(short.to_be_bytes());
        } else {
            head.push(mask_bit | 127);
            head.extend((len as u64).to_be_bytes());
        }
        head
    }

    /// The frame at the front of a server's bytes and its length; `None` if it is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (head, len) = match second {
            126 => {
                let len = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
                assert!(len > 125, "minimal length");
                (4, usize::from(len))
            }
            127 => {
                let len = u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
                assert!(len > 0xffff, "minimal length");
                (10, usize::try_from(len).expect("a length that fits"))
            }
            short => (2, usize::from(short)),
        };
        let payload = bytes.get(head..head + len)?.to_vec();
        Some((Self { first, payload }, head + len))
    }

    /// Code and reason of a close frame, 1005 for an empty one.
    pub(crate) fn close_status(&self) -> (u16, String) {
        assert_eq!(self.first, CLOSE, "a close, not {self:?}");
        match self.payload.split_first_chunk() {
            Some((code, reason)) => {
                let reason = String::from_utf8(reason.to_vec()).expect("UTF-8");
                (u16::from_be_bytes(*code), reason)
            }
            None => (1005, String::new()),
        }
    }
}

/// Long payloads cut short: this is read by people.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.payload[..self.payload.len().min(80)];
        let len = self.payload.len();
        write!(f, "{:#04x} {} [{len}]", self.first, shown.escape_ascii())
    }
}
