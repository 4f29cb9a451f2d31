//! Whether a request is one of our WebSocket upgrades. Pure: a request head in, an answer out.
//!
//! The order of the checks is part of the wire; the first that fails answers.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Version};

pub(crate) const SERVER: HeaderName = HeaderName::from_static("x-pyrycode-server");
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-pyrycode-version");
pub(crate) const TOKEN: HeaderName = HeaderName::from_static("x-pyrycode-token");
pub(crate) const DEVICE_NAME: HeaderName = HeaderName::from_static("x-pyrycode-device-name");

/// Why there is no upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// A required header is missing or empty.
    Headers,
    /// Not a WebSocket request at all: HTTP too old, or no `Connection`/`Upgrade`.
    NotAnUpgrade(&'static str),
    Method,
    WebSocketVersion,
    BadRequest(&'static str),
    Origin,
}

impl Refusal {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Headers | Self::WebSocketVersion | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotAnUpgrade(_) => StatusCode::UPGRADE_REQUIRED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }

    /// One line, never an echo of the request.
    pub(crate) fn body(self) -> &'static str {
        match self {
            Self::Headers => "\n",
            Self::NotAnUpgrade(what) | Self::BadRequest(what) => what,
            Self::Method => "WebSocket upgrade needs GET\n",
            Self::WebSocketVersion => "unsupported Sec-WebSocket-Version, use 13\n",
            Self::Origin => "Origin is not a URL\n",
        }
    }
}

/// Whether the request's `Host` is one of `hosts`, port and case aside; any is, when there are none.
pub(crate) fn is_for(hosts: &[String], headers: &HeaderMap) -> bool {
    if hosts.is_empty() {
        return true;
    }
    let host = first(headers, &HOST).unwrap_or_default();
    let name = match host.iter().rposition(|b| *b == b':') {
        Some(at) if host[at + 1..].iter().all(u8::is_ascii_digit) => &host[..at],
        _ => host,
    };
    hosts
        .iter()
        .any(|ours| ours.as_bytes().eq_ignore_ascii_case(name))
}

/// The three headers that each endpoint requires, none of them blank. The first instance of a repeated header counts.
pub(crate) fn check_required(
    headers: &HeaderMap,
    required: [HeaderName; 3],
) -> Result<(), Refusal> {
    let all_there = required
        .iter()
        .all(|name| first(headers, name).is_some_and(|value| !value.is_empty()));
    if all_there {
        Ok(())
    } else {
        Err(Refusal::Headers)
    }
}

/// The headers a binary must send.
pub(crate) const BINARY_HEADERS: [HeaderName; 3] = [SERVER, VERSION, USER_AGENT];
/// The headers a phone must send.
pub(crate) const PHONE_HEADERS: [HeaderName; 3] = [SERVER, TOKEN, USER_AGENT];

/// RFC 6455 §4.2.1, and nothing that makes a message framing ambiguous.
pub(crate) fn check_handshake(parts: &Parts) -> Result<(), Refusal> {
    let headers = &parts.headers;
    if parts.version < Version::HTTP_11 {
        return Err(Refusal::NotAnUpgrade("WebSocket needs HTTP/1.1\n"));
    }
    if !has_token(headers, &CONNECTION, "upgrade") {
        return Err(Refusal::NotAnUpgrade("Connection lacks \"upgrade\"\n"));
    }
    if !has_token(headers, &UPGRADE, "websocket") {
        return Err(Refusal::NotAnUpgrade("Upgrade lacks \"websocket\"\n"));
    }
    if parts.method != Method::GET {
        return Err(Refusal::Method);
    }
    if first(headers, &SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Refusal::WebSocketVersion);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_nonce(key.as_bytes().trim_ascii()) => {}
        _ => {
            return Err(Refusal::BadRequest(
                "Sec-WebSocket-Key must be one base64 value of 16 bytes\n",
            ));
        }
    }
    if let Some(origin) = first(headers, &ORIGIN)
        && !is_url(origin)
    {
        return Err(Refusal::Origin);
    }
    if headers.get_all(HOST).iter().count() != 1 {
        return Err(Refusal::BadRequest("exactly one Host is required\n"));
    }
    let lengths = headers.get_all(CONTENT_LENGTH);
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || lengths.iter().any(|length| length.as_bytes() != b"0");
    if has_body {
        return Err(Refusal::BadRequest("an upgrade has no body\n"));
    }
    Ok(())
}

pub(crate) fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get(name).map(|value| value.as_bytes().trim_ascii())
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Base64 of 16 bytes is 22 digits and two pads.
fn is_nonce(key: &[u8]) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit)
}

/// A lenient reading: any origin is welcome, `null` included, as long as it is no garbage.
fn is_url(origin: &[u8]) -> bool {
    if !origin.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let Some(at) = origin.windows(3).position(|three| three == b"://") else {
        return !origin.starts_with(b":");
    };
    let (scheme, rest) = (&origin[..at], &origin[at + 3..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    is_scheme && is_authority(&rest[..end])
}

fn is_authority(authority: &[u8]) -> bool {
    let host_and_port = match authority.iter().rposition(|b| *b == b'@') {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    let after_host = if host_and_port.starts_with(b"[") {
        match host_and_port.iter().position(|b| *b == b']') {
            Some(end) => &host_and_port[end + 1..],
            None => return false,
        }
    } else {
        let end = host_and_port.iter().position(|b| *b == b':');
        &host_and_port[end.unwrap_or(host_and_port.len())..]
    };
    match after_host.split_first() {
        None => true,
        Some((b':', port)) => port.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests;
