//! The base URL under which FCM is reached.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// An `http` or `https` URL that API paths are appended to; tests and mirrors of FCM override the default.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

/// The text is not an absolute `http` or `https` URL without user information and query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an http or https URL without user information and query")]
#[non_exhaustive]
pub struct EndpointError;

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let uri = absolute(text).ok_or(EndpointError)?;
        let has_user = uri.authority().is_none_or(|at| at.as_str().contains('@'));
        if has_user || uri.query().is_some() || text.contains('#') {
            return Err(EndpointError);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Endpoint {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Google's own.
impl Default for Endpoint {
    fn default() -> Self {
        Self("https://fcm.googleapis.com".to_owned())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.0)
    }
}

/// The URI of an absolute `http` or `https` URL.
pub(crate) fn absolute(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    (has_host && has_scheme).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_base_urls() {
        for (text, base) in [
            ("https://fcm.googleapis.com", "https://fcm.googleapis.com"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/fake/fcm//", "http://[::1]:8080/fake/fcm"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().as_str(), base);
        }
    }

    #[test]
    fn refuses_what_no_path_can_be_appended_to() {
        for text in [
            "",
            "fcm.googleapis.com",
            "/v1",
            "ftp://host",
            "http://",
            "http://user:secret@host",
            "http://host/?x=1",
            "http://host/#x",
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError), "{text}");
        }
    }
}
