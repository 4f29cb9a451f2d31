//! One pass over a JSON text: is it JSON, and where do its values begin and end?
//!
//! It checks the grammar of RFC 8259 and nothing else: no value is built, no number read, no escape undone, no key
//! looked at. It neither recurses nor allocates, but for texts nested deeper than any peer's.
//! It must not know which keys mean anything.
//!
//! Our own, because each message is read by it once and most of a message is one long string: skipping that in blocks
//! takes a third of the instructions of the parser it replaced (see `docs/PERFORMANCE.md`), to which the tests hold it.

use super::nesting::{Bracket, Nesting};
use super::plain::plain_run;

/// Why a text is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    NotJson,
    /// Deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
}

/// A place in a text, and the brackets open there.
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    nesting: Nesting,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            nesting: Nesting::default(),
        }
    }

    /// Moves past one value of any type and returns its source text.
    pub(super) fn value(&mut self) -> Result<&'t str, Fault> {
        self.skip_space();
        let start = self.at;
        self.skip_value()?;
        Ok(&self.text[start..self.at])
    }

    /// Moves past one value of any type, white space before it included.
    pub(super) fn skip_value(&mut self) -> Result<(), Fault> {
        self.skip_space();
        let floor = self.nesting.depth();
        while self.begin_value()? == Begun::Inside || !self.end_values(floor)? {}
        Ok(())
    }

    /// Moves into an object, if one is next.
    pub(super) fn enter_object(&mut self) -> Result<Option<Members<'_, 't>>, Fault> {
        self.skip_space();
        if self.peek() != Some(b'{') {
            return Ok(None);
        }
        self.at += 1;
        self.nesting.open(Bracket::Object)?;
        self.skip_space();
        Ok(Some(Members {
            scanner: self,
            is_first: true,
        }))
    }

    /// Nothing but white space may be left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Fault::NotJson)
        }
    }

    /// Moves past a scalar, an empty array or object, or to the first value inside one.
    fn begin_value(&mut self) -> Result<Begun, Fault> {
        let bracket = match self.peek().ok_or(Fault::NotJson)? {
            b'"' => return self.string().map(|()| Begun::Done),
            b'{' => Bracket::Object,
            b'[' => Bracket::Array,
            b'-' | b'0'..=b'9' => return self.number().map(|()| Begun::Done),
            b't' => return self.word(b"true").map(|()| Begun::Done),
            b'f' => return self.word(b"false").map(|()| Begun::Done),
            b'n' => return self.word(b"null").map(|()| Begun::Done),
            _ => return Err(Fault::NotJson),
        };
        self.at += 1;
        self.nesting.open(bracket)?;
        self.skip_space();
        if self.peek() == Some(bracket.closing()) {
            self.at += 1;
            self.nesting.close();
            return Ok(Begun::Done);
        }
        if bracket == Bracket::Object {
            self.key()?;
        }
        Ok(Begun::Inside)
    }

    /// Behind a value: closes what ends there. True at the depth of `floor`, else another value is next.
    fn end_values(&mut self, floor: usize) -> Result<bool, Fault> {
        while self.nesting.depth() > floor {
            self.skip_space();
            let bracket = self.nesting.innermost();
            let next = self.peek().ok_or(Fault::NotJson)?;
            self.at += 1;
            if next == bracket.closing() {
                self.nesting.close();
            } else if next == b',' {
                self.skip_space();
                if bracket == Bracket::Object {
                    self.key()?;
                }
                return Ok(false);
            } else {
                return Err(Fault::NotJson);
            }
        }
        Ok(true)
    }

    /// Moves past a key and its colon.
    fn key(&mut self) -> Result<(), Fault> {
        if self.peek() != Some(b'"') {
            return Err(Fault::NotJson);
        }
        self.string()?;
        self.colon()
    }

    fn colon(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if !self.skip_one_of(b":") {
            return Err(Fault::NotJson);
        }
        self.skip_space();
        Ok(())
    }

    /// Moves past a string, whose opening quote is next.
    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            self.at += plain_run(&self.text.as_bytes()[self.at..]);
            let end = self.peek().ok_or(Fault::NotJson)?;
            self.at += 1;
            match end {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err(Fault::NotJson),
            }
        }
    }

    /// Moves past what follows a backslash.
    fn escape(&mut self) -> Result<(), Fault> {
        let escaped = self.peek().ok_or(Fault::NotJson)?;
        self.at += 1;
        match escaped {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.text.as_bytes().get(self.at..self.at + 4);
                let digits = digits.ok_or(Fault::NotJson)?;
                self.at += 4;
                if digits.iter().all(u8::is_ascii_hexdigit) {
                    Ok(())
                } else {
                    Err(Fault::NotJson)
                }
            }
            _ => Err(Fault::NotJson),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.skip_one_of(b"-");
        if !self.skip_one_of(b"0") {
            self.digits()?;
        }
        if self.skip_one_of(b".") {
            self.digits()?;
        }
        if self.skip_one_of(b"eE") {
            self.skip_one_of(b"+-");
            self.digits()?;
        }
        Ok(())
    }

    /// Moves past one digit or more.
    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits > 0 {
            Ok(())
        } else {
            Err(Fault::NotJson)
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word) {
            return Err(Fault::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    fn skip_one_of(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.peek().is_some_and(|byte| bytes.contains(&byte));
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// What became of a value's beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begun {
    /// It was all of it.
    Done,
    /// Another one begins inside.
    Inside,
}

/// The members of an object that has been entered.
pub(super) struct Members<'s, 't> {
    scanner: &'s mut Scanner<'t>,
    is_first: bool,
}

impl<'t> Members<'_, 't> {
    /// The next key's literal and its value's source text; `None` behind the closing bracket.
    pub(super) fn next_member(&mut self) -> Result<Option<(&'t str, &'t str)>, Fault> {
        let scanner = &mut *self.scanner;
        scanner.skip_space();
        if scanner.skip_one_of(b"}") {
            scanner.nesting.close();
            return Ok(None);
        }
        if !std::mem::take(&mut self.is_first) {
            if !scanner.skip_one_of(b",") {
                return Err(Fault::NotJson);
            }
            scanner.skip_space();
        }
        let start = scanner.at;
        if scanner.peek() != Some(b'"') {
            return Err(Fault::NotJson);
        }
        scanner.string()?;
        let key = &scanner.text[start..scanner.at];
        scanner.colon()?;
        let value = scanner.value()?;
        Ok(Some((key, value)))
    }
}
