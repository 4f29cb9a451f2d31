//! A second decoder, as obvious and as slow as can be: it has the whole stream before it starts, holds each rule as a
//! sentence, and keeps nothing between reads because there is only one.

use super::Violation;
use super::trial::{Outcome, Seen};

/// The bytes not yet read; taking more than there are says that the stream stops here.
struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }
}

#[derive(Default)]
struct Open {
    opcode: u8,
    frames: usize,
    payload: Vec<u8>,
}

pub(crate) fn decode(max: usize, bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut open = None;
    let result = events(max, Stream(bytes), &mut open, &mut outcome.events);
    match result {
        Err(violation) => outcome.violation = Some(violation),
        Ok(closed) => outcome.mid_message = open.is_some() && !closed,
    }
    outcome
}

/// Whether the stream ended with a close.
fn events(
    max: usize,
    mut stream: Stream<'_>,
    open: &mut Option<Open>,
    events: &mut Vec<Seen>,
) -> Result<bool, Violation> {
    while let Some(event) = frame_or_end(max, &mut stream, open)? {
        events.extend(event.clone());
        if matches!(event, Some(Seen::Close(_))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One frame, and the event it completes if any; the outer `None` is the end of the stream.
fn frame_or_end(
    max: usize,
    stream: &mut Stream<'_>,
    open: &mut Option<Open>,
) -> Result<Option<Option<Seen>>, Violation> {
    let Some(&[first]) = stream.take(1) else {
        return Ok(None);
    };
    let (fin, opcode) = (first >= 0x80, first % 16);
    if first / 16 % 8 != 0 {
        return Err(Violation::ReservedBits);
    }
    if ![0, 1, 2, 8, 9, 10].contains(&opcode) {
        return Err(Violation::UnknownOpcode);
    }
    let control = opcode >= 8;
    if control && !fin {
        return Err(Violation::FragmentedControl);
    }
    match open {
        None if opcode == 0 => return Err(Violation::StrayContinuation),
        Some(_) if opcode == 1 || opcode == 2 => return Err(Violation::InterruptedMessage),
        Some(open) if opcode == 0 && open.frames >= 4096 => {
            return Err(Violation::TooManyFragments);
        }
        _ => {}
    }

    let Some(&[second]) = stream.take(1) else {
        return Ok(None);
    };
    if second < 0x80 {
        return Err(Violation::Unmasked);
    }
    let short = u128::from(second % 128);
    if control && short > 125 {
        return Err(Violation::OversizedControl);
    }
    let length = match short {
        126 => {
            let Some(wide) = stream.take(2) else {
                return Ok(None);
            };
            let length = number(wide);
            if length < 126 {
                return Err(Violation::NonMinimalLength);
            }
            length
        }
        127 => {
            if stream.0.first().is_some_and(|byte| *byte >= 0x80) {
                return Err(Violation::OverflowingLength);
            }
            let Some(wide) = stream.take(8) else {
                return Ok(None);
            };
            let length = number(wide);
            if length < 65_536 {
                return Err(Violation::NonMinimalLength);
            }
            length
        }
        short => short,
    };
    let before = open.as_ref().map_or(0, |open| open.payload.len());
    if !control && before as u128 + length > max as u128 {
        return Err(Violation::OversizedMessage);
    }
    let Some(key) = stream.take(4) else {
        return Ok(None);
    };

    let length = length as usize;
    let available = stream.0.len().min(length);
    let complete = available == length;
    let mut payload = Vec::new();
    for index in 0..available {
        payload.push(stream.0[index] ^ key[index % 4]);
    }
    stream.0 = &stream.0[available..];

    if control {
        return if complete {
            control_event(opcode, &payload).map(Some)
        } else {
            Ok(None)
        };
    }
    let message = open.get_or_insert_with(|| Open {
        opcode,
        ..Open::default()
    });
    message.frames += 1;
    message.payload.extend(payload);
    let whole = fin && complete;
    if message.opcode == 1 {
        match std::str::from_utf8(&message.payload) {
            Err(error) if whole || error.error_len().is_some() => {
                return Err(Violation::InvalidText);
            }
            _ => {}
        }
    }
    if !complete {
        return Ok(None);
    }
    if !whole {
        return Ok(Some(None));
    }
    let Open {
        opcode, payload, ..
    } = open.take().unwrap_or_default();
    if opcode == 2 {
        return Ok(Some(Some(Seen::Binary(payload))));
    }
    let text = String::from_utf8(payload).map_err(|_| Violation::InvalidText)?;
    Ok(Some(Some(Seen::Text(text))))
}

fn control_event(opcode: u8, payload: &[u8]) -> Result<Option<Seen>, Violation> {
    if opcode == 9 {
        return Ok(Some(Seen::Ping(payload.to_vec())));
    }
    if opcode == 10 {
        return Ok(Some(Seen::Pong(payload.to_vec())));
    }
    if payload.is_empty() {
        return Ok(Some(Seen::Close(None)));
    }
    if payload.len() == 1 {
        return Err(Violation::TruncatedCloseCode);
    }
    let code = number(&payload[..2]) as u16;
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::InvalidCloseCode);
    }
    let Ok(reason) = String::from_utf8(payload[2..].to_vec()) else {
        return Err(Violation::InvalidCloseReason);
    };
    Ok(Some(Seen::Close(Some((code, reason)))))
}

fn number(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0, |number, byte| number * 256 + u128::from(*byte))
}
