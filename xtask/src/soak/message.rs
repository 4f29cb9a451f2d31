//! The frames of a soak: numbered, of a chosen length, and filled with text that both ends can work out.
//!
//! A frame that was altered, cut, or mixed with another does not read as the frame that is due.

use std::sync::OnceLock;

use anyhow::{Context as _, ensure};

use crate::random::Random;

/// What a message to the relay may have.
pub(super) const MAX_MESSAGE: usize = 262_144;

/// What an envelope leaves for its frame.
pub(super) const MAX_FRAME_TO_PHONE: usize = MAX_MESSAGE - 62;

/// Fillings start at different places, so that two frames of one length differ everywhere.
const OFFSETS: u64 = 997;

/// What a phone asks its daemon for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// One frame of the same length.
    Echo,
    /// Many frames; the last of them answers.
    Burst { frames: u64, length: usize },
    /// A directive, with a last frame or without.
    Close { code: u16, last_word: bool },
}

/// A phone's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Up {
    pub(super) phone: u64,
    pub(super) number: u64,
    pub(super) ask: Ask,
}

/// A daemon's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Down {
    pub(super) number: u64,
    /// The number of the frame that it answers.
    pub(super) answers: Option<u64>,
}

impl Up {
    /// The frame, of `length` bytes if its head leaves room.
    pub(super) fn text(self, length: usize) -> String {
        let Self { phone, number, ask } = self;
        let ask = match ask {
            Ask::Echo => "echo".to_owned(),
            Ask::Burst { frames, length } => format!("burst {frames} {length}"),
            Ask::Close { code, last_word } => format!("close {code} {last_word}"),
        };
        let head = format!(r#"{{"phone":{phone},"number":{number},"ask":"{ask}","fill":""#);
        filled(head, self.offset(), length)
    }

    /// # Errors
    ///
    /// It is not such a frame, byte for byte.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (phone, rest) = text
                .strip_prefix(r#"{"phone":"#)?
                .split_once(r#","number":"#)?;
            let (number, rest) = rest.split_once(r#","ask":""#)?;
            let (ask, fill) = rest.split_once(r#"","fill":""#)?;
            let up = Self {
                phone: phone.parse().ok()?,
                number: number.parse().ok()?,
                ask: Ask::parse(ask)?,
            };
            Some((up, fill.strip_suffix(r#""}"#)?))
        };
        let (up, fill) = parts().with_context(|| format!("not a phone's frame: {}", head(text)))?;
        expect_filling(fill, up.offset()).with_context(|| format!("in {up:?}"))?;
        Ok(up)
    }

    fn offset(self) -> u64 {
        self.phone.wrapping_mul(31).wrapping_add(self.number * 7) % OFFSETS
    }
}

impl Ask {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        Some(match words[..] {
            ["echo"] => Self::Echo,
            ["burst", frames, length] => Self::Burst {
                frames: frames.parse().ok()?,
                length: length.parse().ok()?,
            },
            ["close", code, last_word] => Self::Close {
                code: code.parse().ok()?,
                last_word: last_word.parse().ok()?,
            },
            _ => return None,
        })
    }
}

impl Down {
    /// The frame for a phone, of `length` bytes if its head leaves room.
    pub(super) fn text(self, phone: u64, length: usize) -> String {
        let answers = self
            .answers
            .map_or_else(|| "null".to_owned(), |number| number.to_string());
        let head = format!(r#"{{"number":{},"answers":{answers},"fill":""#, self.number);
        filled(head, self.offset(phone), length)
    }

    /// # Errors
    ///
    /// It is not such a frame for that phone, byte for byte.
    pub(super) fn parse(text: &str, phone: u64) -> anyhow::Result<Self> {
        let parts = || {
            let (number, rest) = text
                .strip_prefix(r#"{"number":"#)?
                .split_once(r#","answers":"#)?;
            let (answers, fill) = rest.split_once(r#","fill":""#)?;
            let down = Self {
                number: number.parse().ok()?,
                answers: match answers {
                    "null" => None,
                    number => Some(number.parse().ok()?),
                },
            };
            Some((down, fill.strip_suffix(r#""}"#)?))
        };
        let (down, fill) =
            parts().with_context(|| format!("not a daemon's frame: {}", head(text)))?;
        expect_filling(fill, down.offset(phone)).with_context(|| format!("in {down:?}"))?;
        Ok(down)
    }

    fn offset(self, phone: u64) -> u64 {
        phone.wrapping_mul(17).wrapping_add(self.number * 13) % OFFSETS
    }
}

/// A length as traffic has it: most of it small, some of it at the limit.
pub(super) fn length(random: &mut Random) -> usize {
    let length = random.choose(&[
        (600, 64),
        (280, 1024),
        (114, 16 * 1024),
        (4, MAX_MESSAGE - 8192),
        (2, MAX_MESSAGE),
    ]);
    match length {
        64 => usize::try_from(random.between(64, 256)).unwrap_or(64),
        length => length,
    }
}

fn filled(mut head: String, offset: u64, length: usize) -> String {
    const TAIL: &str = r#""}"#;
    let room = length.saturating_sub(head.len() + TAIL.len());
    head.push_str(&filling()[start(offset)..][..room]);
    head.push_str(TAIL);
    head
}

fn expect_filling(found: &str, offset: u64) -> anyhow::Result<()> {
    ensure!(
        filling()[start(offset)..].starts_with(found),
        "{} bytes of filling that were altered",
        found.len()
    );
    Ok(())
}

fn start(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or_default()
}

/// Letters that JSON leaves alone, in an order without a period.
fn filling() -> &'static str {
    static FILLING: OnceLock<String> = OnceLock::new();
    FILLING.get_or_init(|| {
        let mut random = Random::new(0);
        (0..MAX_MESSAGE as u64 + OFFSETS)
            .map(|_| {
                let letter = random.between(0x23, 0x7D);
                // A backslash would begin an escape.
                char::from(u8::try_from(letter).unwrap_or(b'x')).to_string()
            })
            .map(|letter| {
                if letter == "\\" {
                    "x".to_owned()
                } else {
                    letter
                }
            })
            .collect()
    })
}

/// Enough of a text to know it by.
pub(super) fn head(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKS: [Ask; 3] = [
        Ask::Echo,
        Ask::Burst {
            frames: 64,
            length: 16_384,
        },
        Ask::Close {
            code: 4001,
            last_word: true,
        },
    ];

    #[test]
    fn frames_have_their_length_and_read_as_they_were() {
        for ask in ASKS {
            for length in [200, 1024, MAX_MESSAGE] {
                let up = Up {
                    phone: 7,
                    number: 12,
                    ask,
                };
                let text = up.text(length);
                assert_eq!(text.len(), length);
                assert_eq!(Up::parse(&text).unwrap(), up);
            }
        }
        for answers in [None, Some(3)] {
            let down = Down { number: 5, answers };
            let text = down.text(7, MAX_FRAME_TO_PHONE);
            assert_eq!(text.len(), MAX_FRAME_TO_PHONE);
            assert_eq!(Down::parse(&text, 7).unwrap(), down);
        }
    }

    #[test]
    fn frames_are_json() {
        let up = Up {
            phone: 7,
            number: 12,
            ask: Ask::Echo,
        };
        let value: serde_json::Value = serde_json::from_str(&up.text(MAX_MESSAGE)).unwrap();
        assert_eq!(value["number"], 12);
    }

    #[test]
    fn what_was_altered_is_found() {
        let down = Down {
            number: 5,
            answers: None,
        };
        let text = down.text(7, 1024);
        assert!(Down::parse(&text, 8).is_err(), "another phone's");
        let mut bytes = text.into_bytes();
        bytes[600] ^= 1;
        assert!(Down::parse(std::str::from_utf8(&bytes).unwrap(), 7).is_err());
    }
}
