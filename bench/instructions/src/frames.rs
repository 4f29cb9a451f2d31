//! Messages as peers send them.

/// A phone's payload of exactly `bytes` bytes.
pub(crate) fn payload(bytes: usize) -> String {
    let (head, tail) = (r#"{"v":2,"type":"noise_msg","data":""#, "\"}");
    let filler = "QUJD".repeat(bytes / 4 + 1);
    format!("{head}{}{tail}", &filler[..bytes - head.len() - tail.len()])
}

/// The same as one masked text frame.
pub(crate) fn masked(payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x81];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}
