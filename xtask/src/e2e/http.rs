//! Requests as lists of header lines and responses as they came: nothing is normalised.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};

/// The key of RFC 6455 section 1.3, and what a server must answer to it.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request, its headers in order; a name may come twice.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: String,
    path: String,
    version: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// A plain GET.
    pub(crate) fn get(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            path: path.to_owned(),
            version: "HTTP/1.1".to_owned(),
            headers: vec![("Host".to_owned(), b"relay.test".to_vec())],
        }
    }

    fn upgrade(path: &str) -> Self {
        Self::get(path)
            .with("Connection", "Upgrade")
            .with("Upgrade", "websocket")
            .with("Sec-WebSocket-Version", "13")
            .with("Sec-WebSocket-Key", KEY)
    }

    /// What the daemon sends, its header names in lower case.
    pub(crate) fn binary(server_id: &str) -> Self {
        Self::upgrade("/v1/server")
            .with("x-pyrycode-server", server_id)
            .with("x-pyrycode-version", "1.2.3")
            .with("user-agent", "pyry/1.2.3")
    }

    /// What a phone sends.
    pub(crate) fn phone(server_id: &str) -> Self {
        Self::upgrade("/v1/client")
            .with("X-Pyrycode-Server", server_id)
            .with("X-Pyrycode-Token", "a-device-token")
            .with("User-Agent", "phone/4.5.6")
    }

    /// A phone whose device name no other has, and that name.
    pub(crate) fn named_phone(server_id: &str) -> (Self, String) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("phone-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        (
            Self::phone(server_id).with("X-Pyrycode-Device-Name", &name),
            name,
        )
    }

    /// Adds a header line.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.with_bytes(name, value.as_bytes())
    }

    /// Adds a header line with any bytes.
    pub(crate) fn with_bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    /// Removes every line with this name, in any case.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self
    }

    /// Leaves one line with this name.
    pub(crate) fn replacing(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// The target of the request.
    pub(crate) fn target(&self) -> &str {
        &self.path
    }

    /// The header lines.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The header block as it goes on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut block = format!("{} {} {}\r\n", self.method, self.path, self.version).into_bytes();
        for (name, value) in &self.headers {
            block.extend_from_slice(name.as_bytes());
            block.extend_from_slice(b": ");
            block.extend_from_slice(value);
            block.extend_from_slice(b"\r\n");
        }
        block.extend_from_slice(b"\r\n");
        block
    }
}

/// A response, read to the end of its body.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Reads a header block without its final empty line.
    pub(crate) fn parse(head: &str) -> anyhow::Result<Self> {
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let headers = lines
            .map(|line| {
                line.split_once(':')
                    .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<Vec<_>>>();
        Ok(Self {
            status: status.with_context(|| format!("no status in {status_line:?}"))?,
            headers: headers.with_context(|| format!("not a header block: {head:?}"))?,
            body: Vec::new(),
        })
    }

    /// The value of the first line with this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the length of the body is announced, and which.
    pub(crate) fn content_length(&self) -> Option<usize> {
        self.header("content-length")
            .and_then(|length| length.parse().ok())
    }

    /// It is this status.
    pub(crate) fn expect(&self, status: u16) -> anyhow::Result<()> {
        ensure!(self.status == status, "{status} expected, got {self:?}");
        Ok(())
    }

    /// It has this header.
    pub(crate) fn expect_header(&self, name: &str, value: &str) -> anyhow::Result<()> {
        ensure!(
            self.header(name)
                .is_some_and(|found| found.eq_ignore_ascii_case(value)),
            "`{name}: {value}` expected in {self:?}"
        );
        Ok(())
    }
}
