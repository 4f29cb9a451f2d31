//! What a process finds around it, as data: judged here, read elsewhere.
//!
//! The registered variables are checked whenever they are present, so that a typo cannot read as "off".

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{ActivatedSocket, ConfigProblem};
use crate::boot::capabilities::Capabilities;

/// Turns the production refusals on.
pub const PRODUCTION: &str = "PYRYCODE_RELAY_PRODUCTION";
/// Asserts that this is the only instance.
pub const SINGLE_INSTANCE: &str = "PYRYCODE_RELAY_SINGLE_INSTANCE";
/// The service-account key for push wake.
pub const FCM_CREDENTIALS: &str = "PYRYCODE_RELAY_FCM_CREDENTIALS";
/// Where FCM is, for tests and mirrors.
pub const FCM_ENDPOINT: &str = "PYRYCODE_RELAY_FCM_ENDPOINT";
/// Set by a platform that may start several instances.
pub const FLY_APP_NAME: &str = "FLY_APP_NAME";

/// What a process finds around it, read once by whoever starts the relay. The default is a bare machine without limits.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `RUST_LOG`.
    pub rust_log: Option<String>,
    /// [`PRODUCTION`].
    pub production: Option<OsString>,
    /// [`SINGLE_INSTANCE`].
    pub single_instance: Option<OsString>,
    /// [`FCM_CREDENTIALS`].
    pub fcm_credentials: Option<Secret>,
    /// [`FCM_ENDPOINT`].
    pub fcm_endpoint: Option<OsString>,
    /// `HOME`, below which certificates are kept by default.
    pub home: Option<OsString>,
    /// [`FLY_APP_NAME`]; only whether it is empty is looked at.
    pub fly_app_name: Option<OsString>,
    /// `NOTIFY_SOCKET`: where the service manager is told how the relay does.
    pub notify_socket: Option<OsString>,
    /// How long the service manager waits for a sign of life of this process (`WATCHDOG_USEC`), if it does.
    pub watchdog_timeout: Option<Duration>,
    /// The file that a successor is started from; none can be without.
    pub executable: Option<PathBuf>,
    /// The sockets that the process was given.
    pub activated: Vec<ActivatedSocket>,
    /// The memory this process may use, in bytes, when there is a limit.
    pub memory_limit: Option<u64>,
    /// Whom the process acts as, where there are users.
    pub effective_uid: Option<u32>,
    /// What else it may do.
    pub capabilities: Capabilities,
}

/// A variable's value that nothing may show.
#[derive(Clone)]
pub struct Secret(OsString);

impl From<OsString> for Secret {
    fn from(value: OsString) -> Self {
        Self(value)
    }
}

impl Secret {
    /// The value, for whoever parses it.
    #[must_use]
    pub fn expose(&self) -> &OsStr {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the registered switches say; a malformed one is a problem and counts as given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switches {
    pub(super) is_production: bool,
    pub(super) is_single_instance: bool,
}

impl Environment {
    pub(super) fn switches(&self, problems: &mut Vec<ConfigProblem>) -> Switches {
        let mut switch = |env_var, value: &Option<OsString>| {
            let is_on = is_on(env_var, value.as_deref());
            is_on.map_err(|problem| problems.push(problem)).ok()
        };
        Switches {
            is_production: switch(PRODUCTION, &self.production) == Some(true),
            // Whoever wrote it meant to give it: that it is missing is no second problem.
            is_single_instance: switch(SINGLE_INSTANCE, &self.single_instance) != Some(false),
        }
    }

    /// Whether the platform may run more than one of these, which would not know of each other's legs.
    pub(super) fn is_multi_instance_platform(&self) -> bool {
        self.fly_app_name
            .as_ref()
            .is_some_and(|name| !name.is_empty())
    }
}

fn is_on(env_var: &'static str, value: Option<&OsStr>) -> Result<bool, ConfigProblem> {
    match value {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(value) => Err(ConfigProblem::MalformedVariable {
            env_var,
            reason: format!("malformed-value: expected \"1\", got {value:?}"),
            fix: "set it to 1, or unset it",
        }),
    }
}
