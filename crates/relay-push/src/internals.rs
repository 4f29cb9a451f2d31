//! A door to what is not public, for fuzz targets. Behind a feature; no promise is made of it.

use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};
use relay_core::WakeToken;

use crate::error::SendError;
use crate::http_client::{Reply, retry_after};
use crate::stats::Outcome;
use crate::waker::alone::{Settled, settle};
use crate::{fcm, oauth};

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// All of its headers; only `Retry-After` is looked at.
    pub headers: &'a HeaderMap,
    /// Its body; `None` for one that was too long or broke off.
    pub body: Option<&'a [u8]>,
    /// When it came.
    pub calendar: SystemTime,
}

/// What became of a wake.
#[derive(Debug)]
pub enum Fate {
    /// It is over; with what its log line says.
    Ended(Outcome, String),
    /// It is tried again after so long.
    PutOff(Duration),
}

/// What FCM's answer does to a wake for `token` that was asked for at `now`: its fate, what the answer's parts look
/// like when somebody formats them, and the message's id if one is let in.
///
/// # Panics
/// When a wake that is alone in the world is not sent.
#[must_use]
pub fn answered_by_fcm(answer: &Answer<'_>, token: &WakeToken, now: Instant) -> (Fate, String) {
    let judged = fcm::judge(answer.to_reply());
    let shown = match &judged {
        Ok(Some(id)) => format!("{id}"),
        Ok(None) => String::new(),
        Err(error) => format!("{error:?}"),
    };
    (fate(token, judged, now), shown)
}

/// The `Authorization` that the token endpoint's answer gives, or what its failure does to a wake.
///
/// # Errors
/// There is no token in it.
///
/// # Panics
/// As [`answered_by_fcm`].
pub fn answered_by_token_endpoint(
    answer: &Answer<'_>,
    token: &WakeToken,
    now: Instant,
) -> Result<HeaderValue, (Fate, String)> {
    match oauth::judge(answer.to_reply(), now) {
        Ok(access) => Ok(access.authorization()),
        Err(error) => {
            let error = SendError::from(error);
            let shown = format!("{error:?}");
            Err((fate(token, Err(error), now), shown))
        }
    }
}

fn fate(
    token: &WakeToken,
    judged: Result<Option<fcm::MessageId>, SendError>,
    now: Instant,
) -> Fate {
    match settle(token, judged, now).expect("nothing else is queued, and nothing sent before") {
        Settled::Ended(outcome, text) => Fate::Ended(outcome, text),
        Settled::Waits(due) => Fate::PutOff(due.saturating_duration_since(now)),
    }
}

impl Answer<'_> {
    fn to_reply(&self) -> Reply {
        Reply {
            status: self.status,
            retry_after: retry_after(self.headers, self.calendar),
            body: self.body.map(<[u8]>::to_vec),
        }
    }
}
