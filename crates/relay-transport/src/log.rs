//! What may be said about peers: their strings cut short, their floods collapsed to a count.

use std::borrow::Cow;
use std::time::{Duration, Instant};

/// Bytes of a peer's string that a log line keeps.
const MAX_PEER_TEXT: usize = 256;

/// A peer's bytes, readable and short.
pub(crate) fn clip(bytes: &[u8]) -> Cow<'_, str> {
    // A character more than is kept, so that one across the end does not show as broken.
    let start = &bytes[..bytes.len().min(MAX_PEER_TEXT + '\u{10ffff}'.len_utf8())];
    let text = String::from_utf8_lossy(start);
    if text.len() <= MAX_PEER_TEXT {
        return text;
    }
    let end = text.floor_char_boundary(MAX_PEER_TEXT);
    Cow::Owned(format!("{}…", &text[..end]))
}

/// Lets a few warnings through per window and counts the rest, so that one peer cannot flood the log.
#[derive(Debug, Default)]
pub(crate) struct WarnLimit {
    window_start: Option<Instant>,
    logged: u32,
    suppressed: u64,
}

const WARNS_PER_WINDOW: u32 = 10;
const WARN_WINDOW: Duration = Duration::from_secs(10);

/// What to do about one warning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Warn {
    /// Write it; so many, if any, were left out since the last one written.
    Write { suppressed: Option<u64> },
    /// Leave it out.
    Suppress,
}

impl WarnLimit {
    pub(crate) fn admit(&mut self, now: Instant) -> Warn {
        let is_over = self
            .window_start
            .is_none_or(|start| now.saturating_duration_since(start) >= WARN_WINDOW);
        if is_over {
            self.window_start = Some(now);
            self.logged = 0;
        }
        if self.logged < WARNS_PER_WINDOW {
            self.logged += 1;
            Warn::Write {
                suppressed: Some(std::mem::take(&mut self.suppressed)).filter(|count| *count > 0),
            }
        } else {
            self.suppressed += 1;
            Warn::Suppress
        }
    }

    /// What was left out and will not be written by a later warning.
    pub(crate) fn suppressed(&self) -> u64 {
        self.suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_peer_text_is_cut_even_inside_a_character() {
        assert_eq!(clip(b"short"), "short");
        let long = "é".repeat(200);
        let odd = [b"x", long.as_bytes()].concat();
        assert_eq!(clip(&odd), format!("x{}…", "é".repeat(127)));
        assert_eq!(clip(&[b'a'; MAX_PEER_TEXT]), "a".repeat(MAX_PEER_TEXT));
    }

    #[test]
    fn bytes_that_are_not_text_grow_when_shown_and_are_cut_all_the_same() {
        for length in [100, MAX_PEER_TEXT, 10_000] {
            let shown = clip(&vec![0xff; length]).into_owned();
            assert!(shown.len() <= MAX_PEER_TEXT + '…'.len_utf8(), "{length}");
            assert!(shown.ends_with('…'));
        }
        assert_eq!(clip(b"caf\xe9"), "caf\u{fffd}");
    }

    #[test]
    fn a_flood_of_warnings_collapses_to_a_count() {
        let start = crate::clock::now();
        let mut limit = WarnLimit::default();
        let written = (0..1_000)
            .filter(|_| limit.admit(start) != Warn::Suppress)
            .count();
        assert_eq!(written, 10);
        assert_eq!(
            limit.admit(start + WARN_WINDOW),
            Warn::Write {
                suppressed: Some(990)
            }
        );
        assert_eq!(limit.suppressed(), 0);
    }
}
