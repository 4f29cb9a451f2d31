//! The head of a server's text frame: the only WebSocket this crate knows.
//!
//! Frames are laid into the receiver's outbox ready for its socket, so that a payload is copied once between the
//! sender's read buffer and the receiver's write. What the other opcodes mean stays with the transport.

/// The longest head of an unmasked frame: two bytes and a 64-bit length (RFC 6455 §5.2).
pub(crate) const MAX_HEAD: usize = 10;

const FIN_TEXT: u8 = 0x81;

/// Writes the head of one unfragmented, unmasked text frame and returns its length.
pub(crate) fn text_head(payload_len: usize, head: &mut [u8; MAX_HEAD]) -> usize {
    head[0] = FIN_TEXT;
    if payload_len < 126 {
        head[1] = payload_len as u8;
        2
    } else if let Ok(short) = u16::try_from(payload_len) {
        head[1] = 126;
        head[2..4].copy_from_slice(&short.to_be_bytes());
        4
    } else {
        head[1] = 127;
        head[2..10].copy_from_slice(&(payload_len as u64).to_be_bytes());
        10
    }
}

/// The number of whole frames in `bytes`, which start at a frame boundary.
pub(crate) fn whole_frames(mut bytes: &[u8]) -> u32 {
    let mut frames = 0;
    while let Some(len) = frame_len(bytes).filter(|len| *len <= bytes.len()) {
        bytes = &bytes[len..];
        frames += 1;
    }
    frames
}

fn frame_len(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        126 => Some(4 + usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?))
            .ok()?
            .checked_add(10),
        short => Some(2 + usize::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_use_the_shortest_form() {
        let mut head = [0; MAX_HEAD];
        for (len, expected) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let n = text_head(len, &mut head);
            assert_eq!(&head[..n], expected, "{len}");
        }
    }

    #[test]
    fn counts_only_frames_that_are_complete() {
        let mut bytes = Vec::new();
        for len in [0, 5, 125, 126, 70_000] {
            let mut head = [0; MAX_HEAD];
            let n = text_head(len, &mut head);
            bytes.extend_from_slice(&head[..n]);
            bytes.resize(bytes.len() + len, b'x');
        }
        assert_eq!(whole_frames(&bytes), 5);
        assert_eq!(whole_frames(&bytes[..bytes.len() - 1]), 4);
        assert_eq!(whole_frames(&bytes[..3]), 1);
        assert_eq!(whole_frames(&bytes[..1]), 0);
        assert_eq!(whole_frames(&[]), 0);
    }
}
