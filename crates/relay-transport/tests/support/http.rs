//! Requests as bytes and responses as they came: no HTTP library stands between a test and the wire.

use super::log::{TOKEN, USER_AGENT};

/// RFC 6455's own sample nonce, and what answers it.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request head under construction.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// A request with nothing but a `Host`.
    pub(crate) fn bare(method: &str, path: &str) -> Self {
        Self {
            line: format!("{method} {path} HTTP/1.1"),
            headers: Vec::new(),
        }
        .with("Host", "relay.test")
    }

    /// What a daemon sends, in its lower case.
    pub(crate) fn binary(server_id: &str) -> Self {
        Self::bare("GET", "/v1/server")
            .with("x-pyrycode-server", server_id)
            .with("x-pyrycode-version", "1.2.3")
            .with("user-agent", USER_AGENT)
            .upgrading()
    }

    /// What an app sends, in its title case.
    pub(crate) fn phone(server_id: &str) -> Self {
        Self::bare("GET", "/v1/client")
            .with("X-Pyrycode-Server", server_id)
            .with("X-Pyrycode-Token", TOKEN)
            .with("X-Pyrycode-Device-Name", "test phone")
            .with("User-Agent", USER_AGENT)
            .upgrading()
    }

    fn upgrading(self) -> Self {
        self.with("Connection", "Upgrade")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", KEY)
    }

    /// Another request line, the same headers.
    pub(crate) fn line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.line);
        self
    }

    /// One more header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// The header with another value.
    pub(crate) fn but(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// The response at the front of `bytes` and its length; `None` if it is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        const END: &[u8] = b"\r\n\r\n";
        let at = bytes.windows(END.len()).position(|four| four == END)?;
        let head = std::str::from_utf8(&bytes[..at]).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.strip_prefix("HTTP/1.1 ");
        let status = status.or_else(|| status_line.strip_prefix("HTTP/1.0 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let mut response = Self {
            status: status.unwrap_or_else(|| panic!("no status line: {status_line}")),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
                .collect(),
            body: String::new(),
        };
        let start = at + END.len();
        let length = match response.header("content-length") {
            Some(length) => length.parse().expect("a number"),
            None => 0,
        };
        let body = bytes.get(start..start + length)?;
        response.body = String::from_utf8(body.to_vec()).expect("UTF-8");
        Some((response, start + length))
    }

    /// The value of the only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice");
        value
    }
}
