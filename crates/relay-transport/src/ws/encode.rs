//! The control frames a server sends: close, ping and pong, unmasked and whole.
//!
//! It must not know when they are sent or through what; data frames get their heads in `relay-core`.

use std::fmt;

use fastwebsockets::OpCode;

use super::close::may_send;
use super::frame::MAX_CONTROL_BYTES;

const HEAD_BYTES: usize = 2;
const CODE_BYTES: usize = 2;
const FIN: u8 = 0x80;

/// One control frame, ready for the wire, without heap.
#[derive(Clone, Copy)]
pub(crate) struct Encoded {
    bytes: [u8; HEAD_BYTES + MAX_CONTROL_BYTES],
    len: u8,
}

impl Encoded {
    fn new(opcode: OpCode, code: &[u8], body: &[u8]) -> Self {
        let payload_len = code.len() + body.len();
        let mut bytes = [0; HEAD_BYTES + MAX_CONTROL_BYTES];
        bytes[0] = FIN | opcode as u8;
        bytes[1] = payload_len as u8;
        let (head_and_code, rest) = bytes.split_at_mut(HEAD_BYTES + code.len());
        head_and_code[HEAD_BYTES..].copy_from_slice(code);
        rest[..body.len()].copy_from_slice(body);
        Self {
            bytes,
            len: (HEAD_BYTES + payload_len) as u8,
        }
    }

    /// The frame.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Shows the first byte and the length: a payload may be a peer's.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded")
            .field("first_byte", &format_args!("{:#04x}", self.bytes[0]))
            .field("bytes", &self.len)
            .finish()
    }
}

/// A close with a status and a reason, or with neither: without a code the payload is empty, whatever `reason` says.
///
/// A reason longer than 123 bytes is cut, at a character's boundary.
///
/// # Panics
///
/// In debug builds, if `code` is one for which [`may_send`] does not hold.
pub(crate) fn close_frame(code: Option<u16>, reason: &str) -> Encoded {
    let Some(code) = code else {
        return Encoded::new(OpCode::Close, &[], &[]);
    };
    debug_assert!(may_send(code), "close code {code} may not be sent");
    let end = reason.floor_char_boundary(MAX_CONTROL_BYTES - CODE_BYTES);
    Encoded::new(
        OpCode::Close,
        &code.to_be_bytes(),
        &reason.as_bytes()[..end],
    )
}

/// A ping; its payload is cut after 125 bytes.
pub(crate) fn ping(payload: &[u8]) -> Encoded {
    Encoded::new(OpCode::Ping, &[], cut(payload))
}

/// The answer to a ping, with the ping's payload; it is cut after 125 bytes, which no decoded ping exceeds.
pub(crate) fn pong(payload: &[u8]) -> Encoded {
    Encoded::new(OpCode::Pong, &[], cut(payload))
}

fn cut(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(MAX_CONTROL_BYTES)]
}
