//! Every timer and bound of the transport, with its default and why it is that.

use std::time::Duration;

use crate::admission::{Cidr, ForwardedFor};

/// Timers and bounds of a server. Build with [`Config::default`] and the setters.
///
/// A timer of [`Duration::MAX`] stands for "never".
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What `/healthz` calls the version. Default `dev`.
    pub version: String,
    /// WebSockets at one time, both endpoints together, refused ones included until their close handshake is over.
    /// Default 10 000; memory is bounded by the queue budget, not by this.
    pub max_connections: usize,
    /// WebSockets at one time from one address, or one IPv6 /64. Default unbounded; the executable sets a quarter of
    /// `max_connections`, at least 64.
    pub max_connections_per_client: usize,
    /// How often one address, or one IPv6 /64, may ask for a WebSocket. Default unbounded.
    pub rate_limit: Option<RateLimit>,
    /// Whose `X-Forwarded-For` to believe when counting requests. Default nobody's.
    pub forwarded_for: ForwardedFor,
    /// Whether connections begin with a PROXY header. Default off.
    pub proxy_protocol: ProxyProtocol,
    /// Names a request's `Host` must be one of, for every path; else 421. Default empty, which takes any.
    pub hosts: Vec<String>,
    /// From accept to the complete request head, TLS and a PROXY header included; for later requests on a connection
    /// from the head's first byte; and again from the answer to the switched protocol. Default 5 s.
    pub handshake_timeout: Duration,
    /// From a complete request head until the answer is written. Default 60 s.
    pub http_exchange_timeout: Duration,
    /// How long a connection may stay between an answer and the next request. Default 120 s.
    pub http_idle_timeout: Duration,
    /// Largest request head. Default 16 KiB, which answers 431 beyond; the peers' heads are under 1 KiB.
    pub max_head_bytes: usize,
    /// Largest WebSocket message, inclusive, over all its fragments. Default 262 144 bytes.
    pub max_message_bytes: usize,
    /// From a message's first frame head to its last byte. Default 30 s, not extended by progress.
    pub message_timeout: Duration,
    /// Between two pings. Default 30 s, at least 1 ms, each spread by ±10 % so that a fleet does not ping in step.
    pub heartbeat_interval: Duration,
    /// From a ping to any byte from the peer. Default 30 s.
    pub heartbeat_timeout: Duration,
    /// How long a phone may accept no byte while something is queued for it. Default 30 s.
    pub phone_write_timeout: Duration,
    /// How long a binary may accept no byte while something is queued for it. Default 10 s: its phones wait.
    pub binary_write_timeout: Duration,
    /// How long a conflict probe waits for a sign of life from the incumbent. Default 10 s.
    pub probe_timeout: Duration,
    /// The same for a claimant from the incumbent's own address, most likely its restarted self. Default 3 s.
    pub probe_timeout_same_host: Duration,
    /// For each half of a close handshake: until the close frame is written, and from then until the peer's close
    /// and the end of its stream. Default 5 s.
    pub close_timeout: Duration,
    /// How long plain HTTP connections may take to finish once the server stopped accepting. Default 1 s.
    pub http_drain_timeout: Duration,
}

/// A token bucket per client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Requests at once.
    pub burst: u32,
    /// Time until one more is allowed.
    pub refill: Duration,
    /// Clients remembered; beyond it the least recently seen are forgotten.
    pub max_clients: usize,
}

/// The PROXY protocol on a listener.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum ProxyProtocol {
    /// No header is expected.
    #[default]
    Off,
    /// Every connection begins with one, whoever opens it.
    FromAnyone,
    /// Every connection begins with one and comes from one of these; others are dropped without an answer.
    From(Vec<Cidr>),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: "dev".to_owned(),
            max_connections: 10_000,
            max_connections_per_client: usize::MAX,
            rate_limit: None,
            forwarded_for: ForwardedFor::Ignore,
            proxy_protocol: ProxyProtocol::Off,
            hosts: Vec::new(),
            handshake_timeout: Duration::from_secs(5),
            http_exchange_timeout: Duration::from_secs(60),
            http_idle_timeout: Duration::from_secs(120),
            max_head_bytes: 16 << 10,
            max_message_bytes: 262_144,
            message_timeout: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(30),
            phone_write_timeout: Duration::from_secs(30),
            binary_write_timeout: Duration::from_secs(10),
            probe_timeout: Duration::from_secs(10),
            probe_timeout_same_host: Duration::from_secs(3),
            close_timeout: Duration::from_secs(5),
            http_drain_timeout: Duration::from_secs(1),
        }
    }
}

/// Stands for "never": longer than a process lives, and short enough to be added to any `Instant`.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A runtime's timers are no finer.
const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(1);

impl Config {
    /// With no timer beyond [`FOREVER`], so that nobody has to fear an overflow, and time between two pings.
    pub(crate) fn bounded(mut self) -> Self {
        for timer in [
            &mut self.handshake_timeout,
            &mut self.http_exchange_timeout,
            &mut self.http_idle_timeout,
            &mut self.message_timeout,
            &mut self.heartbeat_interval,
            &mut self.heartbeat_timeout,
            &mut self.phone_write_timeout,
            &mut self.binary_write_timeout,
            &mut self.probe_timeout,
            &mut self.probe_timeout_same_host,
            &mut self.close_timeout,
            &mut self.http_drain_timeout,
        ] {
            *timer = FOREVER.min(*timer);
        }
        self.heartbeat_interval = self.heartbeat_interval.max(MIN_HEARTBEAT_INTERVAL);
        if let Some(limit) = &mut self.rate_limit {
            limit.refill = FOREVER.min(limit.refill);
        }
        self
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
    max_connections: usize,
    max_connections_per_client: usize,
    rate_limit: Option<RateLimit>,
    forwarded_for: ForwardedFor,
    proxy_protocol: ProxyProtocol,
    hosts: Vec<String>,
    handshake_timeout: Duration,
    http_exchange_timeout: Duration,
    http_idle_timeout: Duration,
    max_head_bytes: usize,
    max_message_bytes: usize,
    message_timeout: Duration,
    heartbeat_interval: Duration,
    heartbeat_timeout: Duration,
    phone_write_timeout: Duration,
    binary_write_timeout: Duration,
    probe_timeout: Duration,
    probe_timeout_same_host: Duration,
    close_timeout: Duration,
    http_drain_timeout: Duration,
}

impl Config {
    /// Sets [`version`](Self::version).
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }
}
