//! What the relay said on a connection, read as strictly as a client might.

/// Answers, and the frames behind a 101.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) statuses: Vec<u16>,
}

impl Answers {
    /// Reads all that was said.
    ///
    /// # Panics
    /// When it is not HTTP/1 and, behind a 101, frames of a server; or holds a status that is none of the relay's.
    pub(super) fn read(mut said: &[u8]) -> Self {
        let mut statuses = Vec::new();
        while !said.is_empty() {
            let (answer, rest) = Answer::read(said);
            statuses.push(answer.status);
            said = rest;
            if answer.status == 101 {
                answer.assert_switches();
                frames(said);
                break;
            }
        }
        Self { statuses }
    }

    /// Whether they are the same as far as both go.
    pub(super) fn begins_like(&self, other: &Self) -> bool {
        self.statuses
            .iter()
            .zip(&other.statuses)
            .all(|(a, b)| a == b)
    }
}

/// Those of `docs/PROTOCOL.md`, and 400, 414 and 431 of the HTTP layer.
const STATUSES: [u16; 10] = [101, 200, 400, 403, 404, 405, 414, 426, 431, 503];

struct Answer<'a> {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, &'a str)>,
}

impl<'a> Answer<'a> {
    fn read(said: &'a [u8]) -> (Self, &'a [u8]) {
        let end = said.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("a head ends");
        let head = std::str::from_utf8(&said[..end]).expect("a head is ASCII");
        let rest = &said[end + 4..];
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.split(' ').next()?.parse().ok());
        let status = status.expect("a status line");
        assert!(STATUSES.contains(&status), "{line}");
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect("a name and a value");
            assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            (name.to_ascii_lowercase(), value)
        });
        let answer = Self {
            status,
            headers: headers.collect(),
        };
        let rest = &rest[answer.body_len(rest)..];
        (answer, rest)
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        let value = found.next().map(|(_, value)| *value);
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    /// The announced length; to HEAD the same is announced and nothing follows.
    fn body_len(&self, rest: &[u8]) -> usize {
        let announced = self.header("content-length").unwrap_or("0");
        let announced: usize = announced.parse().expect("a length");
        assert!(announced < 1024, "a body of {announced} bytes");
        if rest.is_empty() || rest.starts_with(b"HTTP/1.") {
            return 0;
        }
        assert!(rest.len() >= announced, "a body that breaks off");
        announced
    }

    fn assert_switches(&self) {
        let accept = self.header("sec-websocket-accept").unwrap_or_default();
        assert!(accept.len() == 28 && accept.ends_with('='), "{accept}");
        let is = |name, value: &str| {
            self.header(name)
                .is_some_and(|is| is.eq_ignore_ascii_case(value))
        };
        assert!(is("upgrade", "websocket") && is("connection", "upgrade"));
        assert_eq!(self.header("sec-websocket-protocol"), None);
        assert_eq!(self.header("sec-websocket-extensions"), None);
    }
}

/// Whole, unmasked, unfragmented frames in their shortest form, and nothing behind a close.
fn frames(mut said: &[u8]) {
    while let Some((&[first, second], rest)) = said.split_first_chunk() {
        assert!(matches!(first, 0x81 | 0x88 | 0x89 | 0x8a), "{first:#x}");
        assert!(second < 126, "a long frame to somebody whom nobody knows");
        let (payload, rest) = rest.split_at_checked(second.into()).expect("a whole frame");
        if first == 0x88 {
            assert_ne!(payload.len(), 1, "half a code");
            assert!(std::str::from_utf8(payload.get(2..).unwrap_or_default()).is_ok());
            assert_eq!(rest, b"", "behind a close");
        }
        said = rest;
    }
    assert_eq!(said, b"", "half a head");
}
