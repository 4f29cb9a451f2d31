//! Errors as one line for a log or a status page.

use std::error::Error;

/// An error, and after each colon its cause.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = error.to_string();
        // Wrappers that already quote their cause are common.
        if !text.ends_with(&line) {
            text.push_str(": ");
            text.push_str(&line);
        }
        cause = error.source();
    }
    text
}

/// Bytes of a text from outside that are kept.
const MAX_FOREIGN_TEXT: usize = 256;

/// Cuts a text that somebody else had a hand in.
pub(crate) fn clip(mut text: String) -> String {
    if text.len() > MAX_FOREIGN_TEXT {
        let end = (0..=MAX_FOREIGN_TEXT)
            .rev()
            .find(|&at| text.is_char_boundary(at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer {
        source: Quoting,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("middle: {source}")]
    struct Quoting {
        source: std::fmt::Error,
    }

    #[test]
    fn names_each_cause_once() {
        let error = Outer {
            source: Quoting {
                source: std::fmt::Error,
            },
        };
        assert_eq!(
            with_causes(&error),
            format!("outer: middle: {}", std::fmt::Error)
        );
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(clip("short".to_owned()), "short");
        let cut = clip(format!("x{}", "é".repeat(200)));
        assert!(
            cut.len() <= MAX_FOREIGN_TEXT + '…'.len_utf8() && cut.ends_with('…'),
            "{cut}"
        );
    }
}
