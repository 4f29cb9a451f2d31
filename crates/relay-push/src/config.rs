//! Every timer and bound of push wake, with its default and why it is that.

use std::time::Duration;

use crate::endpoint::Endpoint;

/// Timers and bounds of a [`Waker`](crate::Waker). Build with [`Config::default`] and the setters.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where FCM is. Default `https://fcm.googleapis.com`.
    pub endpoint: Endpoint,
    /// Wakes a server-id may send at once after a quiet time, at least 1. Default 6: a daemon wakes every paired
    /// device at the end of a turn.
    pub burst: u32,
    /// The time in which a server-id earns one more wake. Default 10 s; beyond burst and rate, wakes are delayed.
    pub rate_interval: Duration,
    /// How long after the request a wake may still be begun, be it the first attempt or a retry. Default 60 s: a
    /// permission prompt is answered for by its daemon after two minutes, and the phone needs some of that.
    pub wake_lifetime: Duration,
    /// Wakes that may wait at one time: for their rate, for a free send, or for a retry. Default 1024, of at most
    /// about 4.5 KiB each. Beyond, the newest is refused: those already promised are nearer to being sent.
    pub max_queued: usize,
    /// Sends in flight at one time. Default 32, which is also the most connections there are to FCM.
    pub max_in_flight: usize,
    /// For each HTTP call, from connecting to the end of the reply. Default 10 s.
    pub call_timeout: Duration,
    /// Before the first retry; doubled for every further one, each spread by ±20 %. Default 1 s.
    pub retry_backoff: Duration,
    /// What doubling ends at. Default 16 s, so that a wake is tried about seven times within its 60 s.
    pub max_retry_backoff: Duration,
    /// How long a token that FCM called unregistered is refused. Default 1 h.
    pub unregistered_memory: Duration,
    /// Unregistered tokens remembered at one time, the least recently used being forgotten. Default 10 000, of
    /// about 150 bytes each; only a digest is kept.
    pub max_unregistered_tokens: usize,
    /// Server-ids whose rate is remembered at one time; a quiet minute is enough to be forgotten. Default 16 384, of
    /// about 60 bytes each, more than there may be connections.
    pub max_rated_servers: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            burst: 6,
            rate_interval: Duration::from_secs(10),
            wake_lifetime: Duration::from_secs(60),
            max_queued: 1024,
            max_in_flight: 32,
            call_timeout: Duration::from_secs(10),
            retry_backoff: Duration::from_secs(1),
            max_retry_backoff: Duration::from_secs(16),
            unregistered_memory: Duration::from_secs(60 * 60),
            max_unregistered_tokens: 10_000,
            max_rated_servers: 16_384,
        }
    }
}

macro_rules! setters {
    ($($field:ident: $type:ty),* $(,)?) => {
        impl Config {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

setters! {
    endpoint: Endpoint,
    burst: u32,
    rate_interval: Duration,
    wake_lifetime: Duration,
    max_queued: usize,
    max_in_flight: usize,
    call_timeout: Duration,
    retry_backoff: Duration,
    max_retry_backoff: Duration,
    unregistered_memory: Duration,
    max_unregistered_tokens: usize,
    max_rated_servers: usize,
}

/// Longer is as good as for ever, and no sum of these and the clock can overflow.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Config {
    /// The same with every duration at most [`LONGEST`].
    pub(crate) fn bounded(&self) -> Self {
        Self {
            rate_interval: self.rate_interval.min(LONGEST),
            wake_lifetime: self.wake_lifetime.min(LONGEST),
            call_timeout: self.call_timeout.min(LONGEST),
            retry_backoff: self.retry_backoff.min(LONGEST),
            max_retry_backoff: self.max_retry_backoff.min(LONGEST),
            unregistered_memory: self.unregistered_memory.min(LONGEST),
            ..self.clone()
        }
    }
}
