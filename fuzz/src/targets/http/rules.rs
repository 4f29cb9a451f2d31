//! Section 3.2 of `docs/PROTOCOL.md` over a head that was split at its line ends: which statuses a request may get.

/// A request's head, names in lower case, values without the white space around them.
#[derive(Debug, Default)]
struct Head {
    method: String,
    path: String,
    version: String,
    headers: Vec<(String, Vec<u8>)>,
}

/// What the first request is answered; `None` unless it is written so plainly that there is one reading of it.
pub(super) fn expected(stream: &[u8]) -> Option<Vec<u16>> {
    let end = stream.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = Head::plain(&stream[..end + 2])?;
    (end < 15_000 && head.headers.len() <= 90).then(|| head.statuses())
}

/// The same for any head, however it is written, as somebody reads it who takes whatever looks like a line.
pub(super) fn lenient(stream: &[u8]) -> Vec<u16> {
    let mut lines = stream
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty());
    let request = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut words = request.split(' ').filter(|word| !word.is_empty());
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut head = Head {
        method: word(),
        path: origin_form(&word()),
        version: word(),
        headers: Vec::new(),
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        head.headers.push((name, value.to_vec()));
    }
    head.statuses()
}

/// Whether it matters when bytes come. The relay reads no body: one that is there already is passed over, any other ends
/// the connection. And the preface of HTTP/2 ends it with an answer or without, as it is known to be one or not.
pub(super) fn depends_on_cuts(stream: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stream).to_ascii_lowercase();
    ["content-length", "transfer-encoding", "pri * http/2"]
        .iter()
        .any(|words| text.contains(words))
}

/// Without the scheme and the authority in front of it (RFC 9112, section 3.2.2).
fn origin_form(target: &str) -> String {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    path.to_owned()
}

impl Head {
    fn plain(text: &[u8]) -> Option<Self> {
        let mut rest = text;
        let mut line = || {
            let end = rest.windows(2).position(|two| two == b"\r\n")?;
            let line = &rest[..end];
            rest = &rest[end + 2..];
            Some(line)
        };
        let request = std::str::from_utf8(line()?).ok()?;
        let [method, path, version] = request.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/?=._-".contains(&byte);
        let methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"];
        let is_request = methods.contains(&method)
            && path.starts_with('/')
            && path.len() < 1000
            && path.bytes().all(is_plain)
            && ["HTTP/1.1", "HTTP/1.0"].contains(&version);
        let mut head = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            version: version.to_owned(),
            headers: Vec::new(),
        };
        while let Some(line) = line() {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            let is_value = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..);
            if name.is_empty() || !name.iter().all(is_name) || !value.iter().all(is_value) {
                return None;
            }
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            head.headers.push((name, value.trim_ascii().to_vec()));
        }
        // These change how the HTTP layer reads on.
        let is_simple = !head.has("transfer-encoding") && !head.has("expect");
        let lengths = head.all("content-length");
        let has_no_body = matches!(lengths[..], [] | [b"0"]);
        (is_request && is_simple && has_no_body).then_some(head)
    }

    fn all(&self, name: &str) -> Vec<&[u8]> {
        let found = self.headers.iter().filter(|(found, _)| found == name);
        found.map(|(_, value)| value.as_slice()).collect()
    }

    fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The first instance; a blank one is an absent one.
    fn first(&self, name: &str) -> Option<&[u8]> {
        let first = self.all(name).first().copied();
        first.filter(|value| !value.is_empty())
    }

    fn lists(&self, name: &str, token: &str) -> bool {
        self.all(name).iter().any(|value| {
            let value = String::from_utf8_lossy(value).to_ascii_lowercase();
            value.split(',').any(|item| item.trim() == token)
        })
    }

    /// More than one where the document leaves it open.
    fn statuses(&self) -> Vec<u16> {
        let path = self.path.split('?').next().unwrap_or_default();
        let required = match path {
            "/healthz" | "/readyz" => return vec![200],
            "/v1/server" => ["x-pyrycode-server", "x-pyrycode-version", "user-agent"],
            "/v1/client" => ["x-pyrycode-server", "x-pyrycode-token", "user-agent"],
            _ => return vec![404],
        };
        if required.iter().any(|name| self.first(name).is_none()) {
            return vec![400];
        }
        if self.version != "HTTP/1.1"
            || !self.lists("connection", "upgrade")
            || !self.lists("upgrade", "websocket")
        {
            return vec![426];
        }
        if self.method != "GET" {
            return vec![405];
        }
        if self.first("sec-websocket-version") != Some(b"13") {
            return vec![400];
        }
        if !matches!(self.all("sec-websocket-key")[..], [key] if is_base64_of_16_bytes(key)) {
            return vec![400];
        }
        let is_addressed = self.all("host").len() == 1;
        let has_no_body = self
            .all("content-length")
            .iter()
            .all(|length| *length == b"0")
            && !self.has("transfer-encoding");
        let last = if is_addressed && has_no_body {
            101
        } else {
            400
        };
        match self.first("origin") {
            None | Some(b"null") => vec![last],
            // Whether it parses as a URL is for others to say.
            Some(_) => vec![last, 403],
        }
    }
}

fn is_base64_of_16_bytes(key: &[u8]) -> bool {
    let Some(digits) = key.strip_suffix(b"==") else {
        return false;
    };
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    digits.len() == 22 && digits.iter().all(is_digit)
}
