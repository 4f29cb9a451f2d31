//! Client frames in the making, legal and not.

pub(super) const KEY: [u8; 4] = [0x11, 0x82, 0x33, 0xf4];

pub(super) const FIN: u8 = 0x80;
pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

/// How a frame's length is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Length {
    Minimal,
    Wide16(u16),
    Wide64(u64),
}

/// A masked client frame: `first` is its first byte.
pub(super) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame_with(first, Length::Minimal, Some(KEY), payload)
}

pub(super) fn frame_with(
    first: u8,
    length: Length,
    key: Option<[u8; 4]>,
    payload: impl AsRef<[u8]>,
) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = head(first, length, key, payload.len());
    let key = key.unwrap_or_default();
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

/// A head that announces `payload_len` bytes, or whatever `length` says.
pub(super) fn head(first: u8, length: Length, key: Option<[u8; 4]>, payload_len: usize) -> Vec<u8> {
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        Length::Minimal if payload_len < 126 => bytes.push(mask_bit | payload_len as u8),
        Length::Minimal if payload_len < 65_536 => {
            bytes.push(mask_bit | 126);
            bytes.extend((payload_len as u16).to_be_bytes());
        }
        Length::Minimal => {
            bytes.push(mask_bit | 127);
            bytes.extend((payload_len as u64).to_be_bytes());
        }
        Length::Wide16(length) => {
            bytes.push(mask_bit | 126);
            bytes.extend(length.to_be_bytes());
        }
        Length::Wide64(length) => {
            bytes.push(mask_bit | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(key.into_iter().flatten());
    bytes
}
