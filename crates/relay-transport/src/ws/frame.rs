//! The head of one client frame: its layout, and every rule a head can break.
//!
//! It must not know where bytes come from, what a payload holds, or where it goes.

use fastwebsockets::OpCode;

use super::assembly::MessageKind;
use super::bounds::Bounds;
use super::violation::Violation;

/// Two bytes, a 64-bit length and a masking key.
const MAX_HEAD_BYTES: usize = 14;

/// The most a close, ping or pong may carry (RFC 6455 §5.5).
pub(super) const MAX_CONTROL_BYTES: usize = 125;

/// What has been seen of the message that is open, which decides what may follow.
#[derive(Clone, Copy)]
pub(super) struct OpenMessage {
    /// Frames so far; 0 when no message is open.
    pub(super) fragments: u32,
    pub(super) bytes: usize,
    pub(super) bounds: Bounds,
}

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    Begin(MessageKind),
    Continue,
    Control(ControlKind),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ControlKind {
    Close,
    Ping,
    Pong,
}

/// As much of a head as has arrived.
#[derive(Clone, Copy, Default)]
pub(super) struct PartialHead {
    bytes: [u8; MAX_HEAD_BYTES],
    len: u8,
}

impl PartialHead {
    /// Adds as much of `input` as a head can use, and tells how many bytes were there before.
    pub(super) fn extend(&mut self, input: &[u8]) -> usize {
        let held = usize::from(self.len);
        let added = input.len().min(MAX_HEAD_BYTES - held);
        self.bytes[held..held + added].copy_from_slice(&input[..added]);
        self.len += added as u8;
        held
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A frame whose head has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Frame {
    pub(super) purpose: Purpose,
    pub(super) fin: bool,
    /// Payload bytes still to come.
    pub(super) remaining: usize,
    /// The masking key, turned so that it fits the next of them.
    key: [u8; 4],
}

impl Frame {
    /// Reads a head from the front of `bytes` and tells its length; `None` when more of it has to come.
    ///
    /// An offence is reported from the byte that proves it on, so that it is the same however the bytes are cut.
    pub(super) fn parse(
        bytes: &[u8],
        open: OpenMessage,
    ) -> Result<Option<(Self, usize)>, Violation> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let (purpose, fin) = first_byte(first, open)?;

        let Some((&second, rest)) = rest.split_first() else {
            return Ok(None);
        };
        if second & 0x80 == 0 {
            return Err(Violation::Unmasked);
        }
        let short = second & 0x7f;
        if matches!(purpose, Purpose::Control(_)) && usize::from(short) > MAX_CONTROL_BYTES {
            return Err(Violation::OversizedControl);
        }
        let Some((payload_bytes, rest)) = payload_length(short, rest)? else {
            return Ok(None);
        };
        let remaining = match purpose {
            Purpose::Control(_) => usize::from(short),
            Purpose::Begin(_) | Purpose::Continue => usize::try_from(payload_bytes)
                .ok()
                .filter(|bytes| *bytes <= open.bounds.max_bytes - open.bytes)
                .ok_or(Violation::OversizedMessage)?,
        };

        let Some((&key, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let frame = Self {
            purpose,
            fin,
            remaining,
            key,
        };
        Ok(Some((frame, bytes.len() - rest.len())))
    }

    /// Unmasks the next part of the payload in place.
    pub(super) fn unmask(&mut self, part: &mut [u8]) {
        fastwebsockets::unmask(part, self.key);
        self.key.rotate_left(part.len() % 4);
        self.remaining -= part.len();
    }
}

/// Reserved bits, opcode and FIN, held against the message that is open.
fn first_byte(byte: u8, open: OpenMessage) -> Result<(Purpose, bool), Violation> {
    if byte & 0x70 != 0 {
        return Err(Violation::ReservedBits);
    }
    let opcode = OpCode::try_from(byte & 0x0f).map_err(|_| Violation::UnknownOpcode)?;
    let fin = byte & 0x80 != 0;
    let purpose = match opcode {
        OpCode::Continuation => Purpose::Continue,
        OpCode::Text => Purpose::Begin(MessageKind::Text),
        OpCode::Binary => Purpose::Begin(MessageKind::Binary),
        OpCode::Close => Purpose::Control(ControlKind::Close),
        OpCode::Ping => Purpose::Control(ControlKind::Ping),
        OpCode::Pong => Purpose::Control(ControlKind::Pong),
    };
    match purpose {
        Purpose::Control(_) if !fin => Err(Violation::FragmentedControl),
        Purpose::Begin(_) if open.fragments > 0 => Err(Violation::InterruptedMessage),
        Purpose::Continue if open.fragments == 0 => Err(Violation::StrayContinuation),
        Purpose::Continue if open.fragments >= open.bounds.max_fragments => {
            Err(Violation::TooManyFragments)
        }
        Purpose::Begin(_) | Purpose::Continue | Purpose::Control(_) => Ok((purpose, fin)),
    }
}

/// The payload's length, and what follows it; `None` when more of it has to come.
fn payload_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Violation> {
    let (length, minimum, rest) = match short {
        126 => {
            let Some((&wide, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes(wide)), 126, rest)
        }
        127 => {
            if rest.first().is_some_and(|byte| byte & 0x80 != 0) {
                return Err(Violation::OverflowingLength);
            }
            let Some((&wide, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (u64::from_be_bytes(wide), 65_536, rest)
        }
        short => (u64::from(short), 0, rest),
    };
    if length < minimum {
        return Err(Violation::NonMinimalLength);
    }
    Ok(Some((length, rest)))
}
