//! Who is let in: caps, rates and whose word about clients is taken.

use std::num::NonZeroUsize;
use std::time::Duration;

use relay_transport::{Cidr, ForwardedFor, RateLimit};

use super::{ConfigProblem, ConfigWarning, keep, typed};
use crate::args::{Flags, Setting};

/// Addresses, or IPv6 /64s, whose request rate is remembered: some 10 MB at most.
const RATED_CLIENTS: usize = 100_000;

/// The most requests a minute that a limit can mean: one a millisecond.
const MAX_RATE_PER_MINUTE: u32 = 60_000;

/// The least default for connections of one address: a household, or an office behind one router.
const MIN_DEFAULT_PER_IP: usize = 64;

/// How much one client, and all together, may take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admission {
    /// Live WebSockets, inclusive, before the open-file limit is taken into account.
    pub max_connections: NonZeroUsize,
    /// Live WebSockets of one address or IPv6 /64, when the operator said so.
    pub max_connections_per_ip: Option<NonZeroUsize>,
    /// Upgrade requests of one address or IPv6 /64; `None` for any rate.
    pub rate_limit: Option<RateLimit>,
    /// Hops that tell the truth about their clients.
    pub trusted_proxies: Vec<Cidr>,
    /// How `X-Forwarded-For` is read.
    pub forwarded_for: ForwardedFor,
}

impl Admission {
    pub(super) fn from_flags(
        flags: &Flags,
        problems: &mut Vec<ConfigProblem>,
        warnings: &mut Vec<ConfigWarning>,
    ) -> Option<Self> {
        let max_connections = keep(max_connections(flags), problems);
        let per_ip = keep(per_ip(flags), problems);
        let rate_limit = keep(rate_limit(flags, problems), problems);
        let forwarded_for = keep(forwarded_for(flags, warnings), problems);
        Some(Self {
            max_connections: max_connections?,
            max_connections_per_ip: per_ip?,
            rate_limit: rate_limit?,
            trusted_proxies: flags.trusted_proxy.value().0.clone(),
            forwarded_for: forwarded_for?,
        })
    }

    /// The connections of one client when `allowed` are allowed in all: by default a quarter, at least 64.
    #[must_use]
    pub fn connections_per_ip(&self, allowed: NonZeroUsize) -> usize {
        let default = (allowed.get() / 4).max(MIN_DEFAULT_PER_IP);
        self.max_connections_per_ip
            .map_or(default, NonZeroUsize::get)
    }
}

fn max_connections(flags: &Flags) -> Result<NonZeroUsize, ConfigProblem> {
    let setting = &flags.max_connections;
    count(setting)
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| refused("max-connections", "positive", setting))
}

fn per_ip(flags: &Flags) -> Result<Option<NonZeroUsize>, ConfigProblem> {
    let setting = &flags.max_connections_per_ip;
    count(setting)
        .map(NonZeroUsize::new)
        .ok_or_else(|| refused("max-connections-per-ip", "0 or more", setting))
}

/// The number, the largest there is when it does not fit, nothing when it is negative.
fn count(setting: &Setting<i64>) -> Option<usize> {
    let count = u64::try_from(*setting.value()).ok()?;
    Some(usize::try_from(count).unwrap_or(usize::MAX))
}

fn rate_limit(
    flags: &Flags,
    problems: &mut Vec<ConfigProblem>,
) -> Result<Option<RateLimit>, ConfigProblem> {
    let burst = keep(burst(flags), problems).unwrap_or(1);
    let setting = &flags.rate_limit_per_minute;
    let per_minute = u32::try_from(*setting.value())
        .ok()
        .filter(|rate| *rate <= MAX_RATE_PER_MINUTE)
        .ok_or_else(|| refused("rate-limit-per-minute", "0 to 60000", setting))?;
    Ok(Duration::from_secs(60)
        .checked_div(per_minute)
        .map(|refill| RateLimit {
            burst,
            refill,
            max_clients: RATED_CLIENTS,
        }))
}

fn burst(flags: &Flags) -> Result<u32, ConfigProblem> {
    let setting = &flags.rate_limit_burst;
    u32::try_from(*setting.value())
        .ok()
        .filter(|burst| (1..=1_000_000).contains(burst))
        .ok_or_else(|| refused("rate-limit-burst", "1 to 1000000", setting))
}

fn forwarded_for(
    flags: &Flags,
    warnings: &mut Vec<ConfigWarning>,
) -> Result<ForwardedFor, ConfigProblem> {
    let proxies = &flags.trusted_proxy.value().0;
    match (*flags.trust_x_forwarded_for.value(), proxies.is_empty()) {
        (true, false) => Err(ConfigProblem::TrustConflict),
        (true, true) => {
            warnings.push(ConfigWarning::ForwardedForFromAnyone);
            Ok(ForwardedFor::TrustAnyone)
        }
        (false, true) => Ok(ForwardedFor::Ignore),
        (false, false) => Ok(ForwardedFor::Trust(proxies.clone())),
    }
}

fn refused<T>(flag: &'static str, want: &'static str, setting: &Setting<T>) -> ConfigProblem {
    let value = typed(setting);
    ConfigProblem::Value { flag, want, value }
}
