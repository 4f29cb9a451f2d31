//! What went wrong with the authority, and what that says about trying again.

use std::time::{Duration, Instant};

use instant_acme::{Error, Problem};

use crate::certificate::CertificateError;
use crate::error_text::{clip, with_causes};

/// A failed step of an order.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {text}")]
pub(super) struct Failure {
    step: &'static str,
    /// In one line and cut short, since the authority had a hand in it.
    text: String,
    pub(super) retry: Retry,
    /// The authority does not know the account (any more).
    pub(super) is_account_lost: bool,
}

/// When to try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Retry {
    /// Almost at once: nothing was wrong but a nonce.
    Hasty,
    /// After a wait that doubles.
    BackOff,
    /// After the longest wait: the authority has had enough of us.
    Rarely,
    /// After the wait that the authority asked for.
    After(Duration),
}

impl Failure {
    pub(super) fn new(step: &'static str, retry: Retry, text: impl Into<String>) -> Self {
        Self {
            step,
            text: clip(text.into()),
            retry,
            is_account_lost: false,
        }
    }

    pub(super) fn timed_out(step: &'static str) -> Self {
        Self::new(step, Retry::BackOff, "no answer in time")
    }

    pub(super) fn of(step: &'static str, error: &Error, now: Instant) -> Self {
        if let Error::Api(problem) = error {
            let (retry, is_account_lost) = judge(problem);
            return Self {
                is_account_lost,
                ..Self::new(step, retry, describe(problem))
            };
        }
        let retry = if let Error::Timeout(Some(at)) = error {
            Retry::After(at.saturating_duration_since(now))
        } else {
            Retry::BackOff
        };
        // The only key that instant-acme is given is the account's: one that cannot be read is as good as none.
        let is_account_lost = matches!(error, Error::KeyRejected);
        let failure = Self::new(step, retry, with_causes(error));
        Self {
            is_account_lost,
            ..failure
        }
    }

    pub(super) fn unusable(error: &CertificateError) -> Self {
        Self::new("certificate", Retry::BackOff, with_causes(error))
    }
}

const ACME_ERROR: &str = "urn:ietf:params:acme:error:";

fn kind(problem: &Problem) -> &str {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    kind.strip_prefix(ACME_ERROR).unwrap_or(kind)
}

/// RFC 8555 §6.7.
fn judge(problem: &Problem) -> (Retry, bool) {
    match kind(problem) {
        "badNonce" => (Retry::Hasty, false),
        "accountDoesNotExist" => (Retry::Hasty, true),
        "rateLimited" => (Retry::Rarely, false),
        _ => (Retry::BackOff, false),
    }
}

/// The kind first, so that cutting the authority's prose short does not lose it.
pub(super) fn describe(problem: &Problem) -> String {
    let detail = problem.detail.as_deref().unwrap_or("no detail");
    let mut text = format!("{}: {detail}", kind(problem));
    for subproblem in &problem.subproblems {
        if let Some(detail) = &subproblem.detail {
            text.push_str("; ");
            text.push_str(detail);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn problem(kind: &str) -> Error {
        let text = format!(r#"{{"type":"{ACME_ERROR}{kind}","detail":"why","status":400}}"#);
        Error::Api(serde_json::from_str(&text).unwrap())
    }

    fn check(error: &Error, retry: Retry, is_account_lost: bool, text: &str) {
        let failure = Failure::of("new order", error, clock::instant());
        assert_eq!(failure.retry, retry, "{failure}");
        assert_eq!(failure.is_account_lost, is_account_lost, "{failure}");
        assert_eq!(failure.to_string(), text);
    }

    #[test]
    fn judges_by_the_kind_of_problem() {
        check(
            &problem("badNonce"),
            Retry::Hasty,
            false,
            "new order: badNonce: why",
        );
        check(
            &problem("accountDoesNotExist"),
            Retry::Hasty,
            true,
            "new order: accountDoesNotExist: why",
        );
        check(
            &problem("rateLimited"),
            Retry::Rarely,
            false,
            "new order: rateLimited: why",
        );
        check(
            &problem("connection"),
            Retry::BackOff,
            false,
            "new order: connection: why",
        );
        check(
            &Error::Crypto,
            Retry::BackOff,
            false,
            "new order: cryptographic operation failed",
        );
    }

    #[test]
    fn an_account_key_that_cannot_be_read_is_a_lost_account() {
        check(
            &Error::KeyRejected,
            Retry::BackOff,
            true,
            "new order: invalid key bytes",
        );
    }

    #[test]
    fn waits_as_long_as_the_authority_asks() {
        let now = clock::instant();
        let wait = Duration::from_secs(77);
        let failure = Failure::of("authorization", &Error::Timeout(Some(now + wait)), now);
        assert_eq!(failure.retry, Retry::After(wait));
    }

    #[test]
    fn an_endless_detail_is_cut_but_its_kind_is_kept() {
        let text = format!(
            r#"{{"type":"{ACME_ERROR}dns","detail":"{}"}}"#,
            "x".repeat(9_000)
        );
        let error = Error::Api(serde_json::from_str(&text).unwrap());
        let text = Failure::of("authorization", &error, clock::instant()).to_string();
        assert!(
            text.starts_with("authorization: dns: xxx") && text.len() < 300,
            "{text}"
        );
    }
}
