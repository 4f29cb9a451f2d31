//! What is no reason to refuse and still worth a line.

use tracing::{info, warn};

use crate::boot::capabilities::CapabilityError;

/// A wish that was granted in part, or a risk that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// An explicit `--queue-memory` was above half of the memory limit.
    QueueMemoryCapped {
        /// Bytes asked for.
        requested: u64,
        /// Bytes granted.
        granted: u64,
    },
    /// `--trust-x-forwarded-for` was asked for.
    ForwardedForFromAnyone,
    /// Capabilities that production would refuse.
    Capabilities(CapabilityError),
    /// A system on which capabilities cannot be checked.
    CapabilitiesUnknown,
}

impl ConfigWarning {
    /// Writes it as one record: WARN, or INFO where there is nothing to do about it.
    pub fn log(&self) {
        match self {
            Self::QueueMemoryCapped { requested, granted } => warn!(
                from = requested,
                to = granted,
                fix = "raise the memory limit, or lower --queue-memory to half of it",
                "queue memory lowered to half of the memory limit"
            ),
            Self::ForwardedForFromAnyone => warn!(
                fix = "name your proxies with --trusted-proxy instead",
                "any client can evade the rate limit: --trust-x-forwarded-for believes everyone"
            ),
            Self::Capabilities(err) => warn!(
                %err,
                fix = "drop all but CAP_NET_BIND_SERVICE; refused with PYRYCODE_RELAY_PRODUCTION=1",
                "more privileges than a relay needs"
            ),
            Self::CapabilitiesUnknown => info!("capabilities not checked: not on Linux"),
        }
    }
}
