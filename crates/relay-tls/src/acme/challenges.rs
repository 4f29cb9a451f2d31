//! The answers to the authority's http-01 questions (RFC 8555 §8.3), for whoever serves port 80.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::names::Domains;

/// Tokens and their answers while orders are under way; clones share them.
///
/// The authority asks several times and from several places, so an answer stays until its order is over.
#[derive(Clone, Debug)]
pub struct Challenges {
    domains: Domains,
    answers: Arc<Mutex<HashMap<String, String>>>,
}

/// What a request on port 80 gets.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ChallengeReply {
    /// 200 with this body.
    Ok(String),
    /// 403: a challenge for a name that is not ours.
    WrongHost,
    /// 404: no challenge of ours, or no challenge at all. Never a redirect: it would hide a wrong port.
    NotFound,
}

impl ChallengeReply {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Ok(_) => 200,
            Self::WrongHost => 403,
            Self::NotFound => 404,
        }
    }
}

const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// One order is under way at a time, with a challenge or two.
const MAX_ANSWERS: usize = 16;

impl Challenges {
    pub(super) fn new(domains: Domains) -> Self {
        Self {
            domains,
            answers: Arc::default(),
        }
    }

    /// Answers a request, whatever its method: `path` without a query, `host` as the Host header has it, or empty.
    pub fn respond(&self, path: &str, host: &str) -> ChallengeReply {
        let Some(token) = path.strip_prefix(CHALLENGE_PATH) else {
            return ChallengeReply::NotFound;
        };
        if !self.domains.match_host(host) {
            return ChallengeReply::WrongHost;
        }
        match self.answers.lock().get(token) {
            Some(answer) => ChallengeReply::Ok(answer.clone()),
            None => ChallengeReply::NotFound,
        }
    }

    /// Answers `token` for as long as the guard lives; `None` when there are too many already.
    #[must_use]
    pub(super) fn serve(&self, token: &str, answer: &str) -> Option<Served> {
        let mut answers = self.answers.lock();
        if answers.len() >= MAX_ANSWERS && !answers.contains_key(token) {
            return None;
        }
        answers.insert(token.to_owned(), answer.to_owned());
        drop(answers);
        Some(Served {
            challenges: self.clone(),
            token: token.to_owned(),
        })
    }
}

/// A token that is being answered.
///
/// # Drop
/// It no longer is.
#[derive(Debug)]
pub(super) struct Served {
    challenges: Challenges,
    token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.challenges.answers.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "relay.example.com";

    fn challenges() -> Challenges {
        Challenges::new(Domains::new([NAME]).unwrap())
    }

    fn path(token: &str) -> String {
        format!("{CHALLENGE_PATH}{token}")
    }

    #[test]
    fn o27_anything_else_is_not_found() {
        let challenges = challenges();
        for path in [
            "",
            "/",
            "/healthz",
            "/v1/client",
            "/.well-known/acme-challenge",
            "x",
        ] {
            assert_eq!(
                challenges.respond(path, NAME),
                ChallengeReply::NotFound,
                "{path}"
            );
            assert_eq!(
                challenges.respond(path, "other.example.com").status(),
                404,
                "{path}"
            );
        }
    }

    #[test]
    fn o28_another_host_is_forbidden_and_an_unknown_token_not_found() {
        let challenges = challenges();
        let _served = challenges.serve("token", "answer").unwrap();
        for host in [
            "",
            "other.example.com",
            "relay.example.com.",
            "relay.example.com.evil.com",
        ] {
            assert_eq!(
                challenges.respond(&path("token"), host),
                ChallengeReply::WrongHost,
                "{host}"
            );
            assert_eq!(
                challenges.respond(&path("unknown"), host).status(),
                403,
                "{host}"
            );
        }
        for token in ["", "unknown", "token/", "Token", "../token"] {
            assert_eq!(
                challenges.respond(&path(token), NAME).status(),
                404,
                "{token}"
            );
        }
    }

    #[test]
    fn a_token_is_answered_again_and_again_until_its_order_is_over() {
        let challenges = challenges();
        let served = challenges.serve("token", "token.thumb").unwrap();
        for host in [
            NAME,
            "RELAY.example.com",
            "relay.example.com:80",
            "relay.example.com:15002",
        ] {
            let reply = challenges.respond(&path("token"), host);
            assert_eq!(
                reply,
                ChallengeReply::Ok("token.thumb".to_owned()),
                "{host}"
            );
        }
        drop(served);
        assert_eq!(
            challenges.respond(&path("token"), NAME),
            ChallengeReply::NotFound
        );
    }

    #[test]
    fn tokens_are_bounded() {
        let challenges = challenges();
        let mut served = Vec::new();
        for n in 0..MAX_ANSWERS {
            served.push(challenges.serve(&n.to_string(), "").unwrap());
        }
        assert!(challenges.serve("more", "").is_none());
        served.pop();
        assert!(challenges.serve("more", "").is_some());
    }
}
