//! RFC 6455 from the client's side, written down plainly and apart from the relay's own: masked frames out, and a
//! suspicious look at what a server sends.

use crate::random::Random;

pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

/// What a server sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

const MASKED_IN_EARNEST: usize = 300;

/// A masked frame; `first` is its first byte.
pub(crate) fn encode(first: u8, payload: &[u8], random: &mut Random) -> Vec<u8> {
    // A key of zeros masks nothing, and takes no time where there is much to mask.
    let is_long = payload.len() > MASKED_IN_EARNEST;
    let key = if is_long { 0 } else { random.next() as u32 };
    let key = key.to_be_bytes();
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&key);
    if is_long {
        frame.extend_from_slice(payload);
    } else {
        frame.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    }
    frame
}

/// The payload of a close frame.
pub(crate) fn close_payload(close: Option<&(u16, String)>) -> Vec<u8> {
    close.map_or_else(Vec::new, |(code, reason)| {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        payload
    })
}

/// The first frame in `bytes` and its length, if it is complete.
///
/// # Errors
/// What the server may not send.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Frame, usize)>, String> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err("a masked frame from the relay".to_owned());
    }
    let (len, head) = match second {
        126 => match bytes.get(2..4) {
            Some(len) => (len.iter().fold(0, |n, b| n << 8 | usize::from(*b)), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(len) => (len.iter().fold(0, |n, b| n << 8 | usize::from(*b)), 10),
            None => return Ok(None),
        },
        len => (usize::from(len), 2),
    };
    let shortest = match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    let is_control = first & 0x08 != 0;
    if head != shortest || first & 0xf0 != FIN || (is_control && len > 125) {
        return Err(format!(
            "a frame head {first:#x} {second:#x} for {len} bytes"
        ));
    }
    let Some(payload) = bytes.get(head..head + len) else {
        return Ok(None);
    };
    let frame = match first & 0x0f {
        TEXT => Frame::Text(text(payload)?),
        PING => Frame::Ping(payload.to_vec()),
        PONG => Frame::Pong(payload.to_vec()),
        CLOSE => Frame::Close(close(payload)?),
        opcode => return Err(format!("a frame with opcode {opcode:#x} from the relay")),
    };
    Ok(Some((frame, head + len)))
}

fn close(payload: &[u8]) -> Result<Option<(u16, String)>, String> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            match code {
                1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Some((code, text(reason)?))),
                _ => Err(format!("close code {code} on the wire")),
            }
        }
        [_] => Err("a close payload of one byte".to_owned()),
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "text that is not UTF-8".to_owned())
}
