//! What peers say to each other: each frame names its sender, its receiver and its number, and can be told again from
//! these and its length, byte for byte.

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-";

/// A frame from `from` to `to`, `bytes` long, or longer if that is too little.
pub(super) fn frame(from: usize, to: usize, number: usize, bytes: usize) -> String {
    let mut text = format!(r#"{{"from":{from},"to":{to},"number":{number},"pad":""#);
    let mut pad = bytes.saturating_sub(text.len() + 2);
    let mut letters = &ALPHABET[(from * 7 + number * 3) % ALPHABET.len()..];
    while pad > 0 {
        let part = &letters[..letters.len().min(pad)];
        text.push_str(part);
        pad -= part.len();
        letters = ALPHABET;
    }
    text.push_str(r#""}"#);
    text
}

/// Sender, receiver and number of a frame.
pub(super) fn read(text: &str) -> Option<(usize, usize, usize)> {
    let rest = text.strip_prefix(r#"{"from":"#)?;
    let (from, rest) = rest.split_once(r#","to":"#)?;
    let (to, rest) = rest.split_once(r#","number":"#)?;
    let (number, _) = rest.split_once(r#","pad":"#)?;
    Some((from.parse().ok()?, to.parse().ok()?, number.parse().ok()?))
}

/// An envelope as the relay writes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Envelope<'a> {
    Frame { conn_id: &'a str, frame: &'a str },
    Notice { conn_id: &'a str, code: u16 },
}

/// Reads an envelope, whose exact bytes are promised.
pub(super) fn read_envelope(text: &str) -> Option<Envelope<'_>> {
    let (conn_id, rest) = text.strip_prefix(r#"{"conn_id":""#)?.split_once('"')?;
    let rest = rest.strip_suffix('}')?;
    if let Some(frame) = rest.strip_prefix(r#","frame":"#) {
        return Some(Envelope::Frame { conn_id, frame });
    }
    let code = rest.strip_prefix(r#","close_code":"#)?.parse().ok()?;
    Some(Envelope::Notice { conn_id, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_back() {
        let text = frame(3, 14, 15, 92);
        assert_eq!(text.len(), 92);
        assert_eq!(read(&text), Some((3, 14, 15)));
        assert_ne!(frame(3, 14, 16, 92), text);
    }

    #[test]
    fn envelopes_are_told_apart() {
        let routed = r#"{"conn_id":"c","frame":{"v":2}}"#;
        let frame = Envelope::Frame {
            conn_id: "c",
            frame: r#"{"v":2}"#,
        };
        assert_eq!(read_envelope(routed), Some(frame));
        let notice = Envelope::Notice {
            conn_id: "c",
            code: 1001,
        };
        assert_eq!(
            read_envelope(r#"{"conn_id":"c","close_code":1001}"#),
            Some(notice)
        );
        assert_eq!(read_envelope(r#"{"conn_id":"c"}"#), None);
    }
}
