//! A Rust lexer that is just good enough to look for patterns: it never mistakes a string or a comment for code.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or keyword; a raw one without its `r#`.
    Ident,
    /// A string literal of any sort.
    Str,
    /// A character, byte, lifetime or number: nothing the rules look at.
    Other,
    /// One character of punctuation.
    Punct,
}

/// One token with its source text and its line, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    pub(super) line: usize,
}

impl Token<'_> {
    /// Whether it is this identifier or this punctuation.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Ident | Kind::Punct) && self.text == text
    }
}

/// The tokens of `source`, without comments.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut lexer = Lexer {
        rest: source,
        line: 1,
    };
    while let Some(token) = lexer.token() {
        found.extend(token);
    }
    found
}

/// The index of the token that closes the bracket at `open`, or the end of the tokens when none does.
pub(super) fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        if token.kind == Kind::Punct {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return index;
                    }
                }
                _ => {}
            }
        }
    }
    tokens.len()
}

struct Lexer<'s> {
    rest: &'s str,
    line: usize,
}

impl<'s> Lexer<'s> {
    /// Consumes one token, comment or run of blanks; `None` at the end, `Some(None)` for what is no token.
    fn token(&mut self) -> Option<Option<Token<'s>>> {
        let first = self.rest.chars().next()?;
        if first.is_whitespace() {
            self.take(
                self.rest
                    .find(|letter: char| !letter.is_whitespace())
                    .unwrap_or(self.rest.len()),
            );
            return Some(None);
        }
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            return Some(None);
        }
        if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
            return Some(None);
        }
        if let Some(length) = string(self.rest) {
            return Some(Some(self.cut(Kind::Str, length)));
        }
        if let Some(raw) = self.rest.strip_prefix("r#")
            && raw.starts_with(is_ident_start)
        {
            self.take(2);
            return Some(Some(self.cut(Kind::Ident, word(self.rest))));
        }
        if is_ident_start(first) {
            return Some(Some(self.cut(Kind::Ident, word(self.rest))));
        }
        if first.is_ascii_digit() {
            return Some(Some(self.cut(Kind::Other, word(self.rest))));
        }
        if first == '\'' {
            return Some(Some(self.cut(Kind::Other, quote(self.rest))));
        }
        Some(Some(self.cut(Kind::Punct, first.len_utf8())))
    }

    fn cut(&mut self, kind: Kind, length: usize) -> Token<'s> {
        let line = self.line;
        Token {
            kind,
            text: self.take(length),
            line,
        }
    }

    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

fn is_ident_start(letter: char) -> bool {
    letter == '_' || letter.is_alphabetic()
}

/// Length of the word or number at the start.
fn word(source: &str) -> usize {
    source
        .find(|letter: char| letter != '_' && !letter.is_alphanumeric())
        .unwrap_or(source.len())
}

/// Length of the block comment at the start, nested ones included.
fn block_comment(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < source.len() {
        let rest = &source.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    source.len()
}

/// Length of the string literal at the start, if there is one: plain, byte, C, raw.
fn string(source: &str) -> Option<usize> {
    let prefix = source
        .find(|letter| !matches!(letter, 'b' | 'c' | 'r'))
        .filter(|&length| length <= 2)?;
    let raw = source[..prefix].ends_with('r');
    let body = &source[prefix..];
    if raw {
        let hashes = body.find(|letter| letter != '#')?;
        let opened = body[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = opened.find(&end).map_or(opened.len(), |at| at + end.len());
        return Some(prefix + hashes + 1 + length);
    }
    let opened = body.strip_prefix('"')?;
    let mut escaped = false;
    for (at, letter) in opened.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(source.len())
}

/// Length of the character literal or lifetime at the start.
fn quote(source: &str) -> usize {
    let body = &source[1..];
    if let Some(escape) = body.strip_prefix('\\') {
        let end = escape
            .char_indices()
            .skip(1)
            .find(|&(_, letter)| letter == '\'');
        return end.map_or(source.len(), |(at, _)| 2 + at + 1);
    }
    let Some(letter) = body.chars().next() else {
        return source.len();
    };
    if body[letter.len_utf8()..].starts_with('\'') {
        return 1 + letter.len_utf8() + 1;
    }
    1 + word(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[&str]) {
        let found: Vec<&str> = tokens(source).iter().map(|token| token.text).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn splits_code() {
        check(
            "let x_1 = a::b(7);",
            &["let", "x_1", "=", "a", ":", ":", "b", "(", "7", ")", ";"],
        );
        check(
            "fn f<'a>(r#type: &'a str)",
            &[
                "fn", "f", "<", "'a", ">", "(", "type", ":", "&", "'a", "str", ")",
            ],
        );
    }

    #[test]
    fn keeps_strings_whole_and_drops_comments() {
        check(r#"a("b // \" c") // d"#, &["a", "(", r#""b // \" c""#, ")"]);
        check("x /* a /* b */ \" */ y", &["x", "y"]);
        check(
            "r#\"a \" b\"# b\"c\" br##\"d\"# e\"## c\"f\"",
            &["r#\"a \" b\"#", "b\"c\"", "br##\"d\"# e\"##", "c\"f\""],
        );
    }

    #[test]
    fn tells_characters_from_lifetimes() {
        check(
            r"['a', '\'', '\u{1F600}', b'x', '(', 'é']",
            &[
                "[",
                "'a'",
                ",",
                r"'\''",
                ",",
                r"'\u{1F600}'",
                ",",
                "b",
                "'x'",
                ",",
                "'('",
                ",",
                "'é'",
                "]",
            ],
        );
        check("'outer: loop {}", &["'outer", ":", "loop", "{", "}"]);
    }

    #[test]
    fn numbers_lines_and_finds_the_closing_bracket() {
        let found = tokens("a(\n\"x\ny\", [b]\n) c");
        assert_eq!(found.last().map(|token| token.line), Some(4));
        let close = closing(&found, 1);
        assert_eq!((found[close].text, found[close].line), (")", 4));
    }
}
