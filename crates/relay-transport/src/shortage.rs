//! A system that has no descriptor or memory for a connection, as the accept loop meets it. Pure.
//!
//! It comes and goes: at the limit each connection that ends makes room for one more, and the next one fails again.
//! That is one shortage, and it is told once.

use std::time::{Duration, Instant};

/// How long to leave such a system alone: long enough to not spin, short enough that nobody's connect times out.
pub(crate) const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Without a failure for so long, it is over: time for twenty attempts.
const OVER_AFTER: Duration = Duration::from_secs(1);

/// Whether there is a shortage, and since when accepting has not failed.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    calm_since: Option<Instant>,
}

impl Shortage {
    /// Accepting failed. True if that is news.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.calm_since.replace(now).is_none()
    }

    /// The system was left alone until now: only from here on is a silence a good sign.
    pub(crate) fn resumed(&mut self, now: Instant) {
        self.calm_since = Some(now);
    }

    /// When it will be over if accepting does not fail again; `None` while there is none.
    pub(crate) fn over_at(&self) -> Option<Instant> {
        self.calm_since.map(|since| since + OVER_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_news_once_however_often_it_comes_back() {
        let start = crate::clock::now();
        let mut shortage = Shortage::default();
        assert_eq!(shortage.over_at(), None);
        for attempt in 0..100 {
            let now = start + attempt * ACCEPT_BACKOFF;
            assert_eq!(shortage.failed(now), attempt == 0);
            let resumed = now + ACCEPT_BACKOFF;
            shortage.resumed(resumed);
            assert_eq!(shortage.over_at(), Some(resumed + OVER_AFTER));
        }
    }
}
