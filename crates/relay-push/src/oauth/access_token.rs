//! An access token as the token endpoint gives it, and how long it is good for.

use std::time::{Duration, Instant};

use http::HeaderValue;
use serde::Deserialize;
use zeroize::Zeroizing;

/// What an `Authorization` header says; its `Debug` output says `Sensitive`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AccessToken {
    authorization: HeaderValue,
    expires: Option<Instant>,
}

/// A token is not used in the last moments of its life: the request takes some time to arrive.
const MARGIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct TokenReply {
    access_token: Zeroizing<String>,
    expires_in: Option<i64>,
}

impl AccessToken {
    /// Reads the reply to a request made at `asked`; without `expires_in` a token is kept until FCM refuses it.
    pub(super) fn read(reply: &[u8], asked: Instant) -> Option<Self> {
        let reply: TokenReply = serde_json::from_slice(reply).ok()?;
        if reply.access_token.is_empty() {
            return None;
        }
        let bearer = Zeroizing::new(["Bearer ", &reply.access_token].concat());
        let mut authorization = HeaderValue::from_str(&bearer).ok()?;
        authorization.set_sensitive(true);
        let seconds = reply
            .expires_in
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0);
        Some(Self {
            authorization,
            // What is beyond the clock's range never comes.
            expires: seconds.and_then(|seconds| asked.checked_add(Duration::from_secs(seconds))),
        })
    }

    pub(super) fn is_good(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now + MARGIN < expires)
    }

    pub(crate) fn authorization(&self) -> HeaderValue {
        self.authorization.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_ten_seconds_before_its_end() {
        let asked = crate::clock::now();
        let good_after = |reply: &str, seconds| {
            AccessToken::read(reply.as_bytes(), asked)
                .unwrap()
                .is_good(asked + Duration::from_secs(seconds))
        };
        let hour = r#"{"access_token":"A","expires_in":3600,"token_type":"Bearer"}"#;
        assert!(good_after(hour, 3589));
        assert!(!good_after(hour, 3590));
        assert!(!good_after(r#"{"access_token":"A","expires_in":10}"#, 0));
        for endless in [
            r#"{"access_token":"A"}"#,
            r#"{"access_token":"A","expires_in":null}"#,
            r#"{"access_token":"A","expires_in":0}"#,
            r#"{"access_token":"A","expires_in":-1}"#,
            r#"{"access_token":"A","expires_in":9223372036854775807}"#,
        ] {
            assert!(good_after(endless, 1_000_000), "{endless}");
        }
    }

    #[test]
    fn a_reply_that_is_no_token_is_not_used() {
        for reply in [
            "",
            "{}",
            "[]",
            "<html>",
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            r#"{"access_token":"a\nb"}"#,
            r#"{"access_token":"A","expires_in":"3600"}"#,
            r#"{"error":"invalid_grant"}"#,
        ] {
            let token = AccessToken::read(reply.as_bytes(), crate::clock::now());
            assert_eq!(token, None, "{reply}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let reply = br#"{"access_token":"MARKER"}"#;
        let token = AccessToken::read(reply, crate::clock::now());
        assert!(!format!("{token:?}").contains("MARKER"));
    }
}
