//! The one place that reads environment variables, but for those that come with sockets: see [`super::inherited`].

use std::env::{var, var_os};
use std::time::Duration;

use super::{capabilities, memory};
use crate::config::{
    Environment, FCM_CREDENTIALS, FCM_ENDPOINT, FLY_APP_NAME, PRODUCTION, SINGLE_INSTANCE, Secret,
};

/// The environment of this process.
#[must_use]
pub fn environment() -> Environment {
    Environment {
        rust_log: var_os("RUST_LOG").map(|filter| filter.to_string_lossy().into_owned()),
        production: var_os(PRODUCTION),
        single_instance: var_os(SINGLE_INSTANCE),
        fcm_credentials: var_os(FCM_CREDENTIALS).map(Secret::from),
        fcm_endpoint: var_os(FCM_ENDPOINT),
        home: var_os("HOME"),
        fly_app_name: var_os(FLY_APP_NAME),
        notify_socket: var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()),
        watchdog_timeout: watchdog_timeout(),
        // Its path while it is there: once it is replaced, the system calls it deleted.
        executable: std::env::current_exe().ok(),
        activated: Vec::new(),
        memory_limit: memory::limit(),
        effective_uid: Some(rustix::process::geteuid().as_raw()),
        capabilities: capabilities::effective(),
    }
}

/// Meant for another process when it names one, as `sd_watchdog_enabled(3)` has it.
fn watchdog_timeout() -> Option<Duration> {
    let micros = var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let is_ours = var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
    is_ours.then(|| Duration::from_micros(micros))
}
