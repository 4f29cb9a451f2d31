//! The one place that reads environment variables.

use std::env::var_os;

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
        memory_limit: memory::limit(),
        effective_uid: Some(rustix::process::geteuid().as_raw()),
        capabilities: capabilities::effective(),
    }
}
