//! WebSocket frames of any shape, legal or not, as RFC 6455 section 5.2 draws them.

use anyhow::ensure;

/// The opcodes of RFC 6455 section 5.2.
pub(crate) mod opcode {
    pub(crate) const CONTINUATION: u8 = 0x0;
    pub(crate) const TEXT: u8 = 0x1;
    pub(crate) const BINARY: u8 = 0x2;
    pub(crate) const CLOSE: u8 = 0x8;
    pub(crate) const PING: u8 = 0x9;
    pub(crate) const PONG: u8 = 0xA;
}

const MASK_KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// One frame, as sent or as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// RSV1, RSV2, RSV3 as the bits 4, 2, 1.
    pub(crate) rsv: u8,
    pub(crate) opcode: u8,
    pub(crate) masked: bool,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// A final, masked frame.
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            fin: true,
            rsv: 0,
            opcode,
            masked: true,
            payload: payload.into(),
        }
    }

    pub(crate) fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::TEXT, payload)
    }

    pub(crate) fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(opcode::PING, payload)
    }

    /// A close with a code and a reason.
    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::new(
            opcode::CLOSE,
            [&code.to_be_bytes(), reason.as_bytes()].concat(),
        )
    }

    /// The same with another payload.
    pub(crate) fn with_payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The same without FIN: more fragments follow.
    pub(crate) fn unfinished(mut self) -> Self {
        self.fin = false;
        self
    }

    pub(crate) fn unmasked(mut self) -> Self {
        self.masked = false;
        self
    }

    pub(crate) fn rsv(mut self, rsv: u8) -> Self {
        self.rsv = rsv;
        self
    }

    /// Its bytes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mask_bit = if self.masked { 0x80 } else { 0 };
        let mut bytes = vec![u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode];
        match (
            u8::try_from(self.payload.len()),
            u16::try_from(self.payload.len()),
        ) {
            (Ok(length @ ..126), _) => bytes.push(mask_bit | length),
            (_, Ok(length)) => {
                bytes.push(mask_bit | 126);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend_from_slice(&(self.payload.len() as u64).to_be_bytes());
            }
        }
        if self.masked {
            bytes.extend_from_slice(&MASK_KEY);
            bytes.extend(
                self.payload
                    .iter()
                    .zip(MASK_KEY.iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            );
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }

    /// The first frame in `bytes` and its length, once all of it is there.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (length, extended): (usize, usize) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (
                usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?,
                8,
            ),
            length => (usize::from(length), 0),
        };
        let masked = second & 0x80 != 0;
        let start = extended + if masked { 4 } else { 0 };
        let payload = rest.get(start..start.checked_add(length)?)?.to_vec();
        let frame = Self {
            fin: first & 0x80 != 0,
            rsv: first >> 4 & 7,
            opcode: first & 0xF,
            masked,
            payload,
        };
        Some((frame, 2 + start + length))
    }

    /// Code and reason of a close frame; no code when it has no payload.
    pub(crate) fn close_status(&self) -> anyhow::Result<(Option<u16>, &str)> {
        ensure!(
            self.opcode == opcode::CLOSE,
            "a close expected, got {self:?}"
        );
        let Some((code, reason)) = self.payload.split_first_chunk() else {
            ensure!(
                self.payload.is_empty(),
                "a close with half a code: {self:?}"
            );
            return Ok((None, ""));
        };
        Ok((
            Some(u16::from_be_bytes(*code)),
            std::str::from_utf8(reason)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_wire() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for frame in [
                Frame::text(vec![b'x'; length]).unmasked(),
                Frame::new(opcode::BINARY, vec![7; length])
                    .unmasked()
                    .unfinished()
                    .rsv(5),
            ] {
                let bytes = frame.bytes();
                assert_eq!(Frame::parse(&bytes), Some((frame, bytes.len())), "{length}");
                assert_eq!(Frame::parse(&bytes[..bytes.len() - 1]), None, "{length}");
            }
        }
    }

    #[test]
    fn writes_the_masked_text_of_the_rfc() {
        let mut bytes = Frame::text("Hello").bytes();
        bytes[2..6].copy_from_slice(&[0; 4]);
        assert_eq!(&bytes[..6], &[0x81, 0x85, 0, 0, 0, 0]);
        let unmasked: Vec<u8> = bytes[6..]
            .iter()
            .zip(MASK_KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        assert_eq!(unmasked, b"Hello");
    }

    #[test]
    fn reads_close_frames() {
        assert_eq!(
            Frame::close(4404, "gone").close_status().unwrap(),
            (Some(4404), "gone")
        );
        assert_eq!(
            Frame::new(opcode::CLOSE, "").close_status().unwrap(),
            (None, "")
        );
        assert!(Frame::new(opcode::CLOSE, "x").close_status().is_err());
        assert!(Frame::text("x").close_status().is_err());
    }
}
