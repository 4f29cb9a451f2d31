//! What a process finds around it, from variables: those the relay knows, and words for what else is looked at.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use relay_bin::boot::capabilities::{Capabilities, CapabilityMask};
use relay_bin::config::{
    ActivatedSocket, Environment, FCM_CREDENTIALS, FCM_ENDPOINT, FLY_APP_NAME, PRODUCTION,
    SINGLE_INSTANCE, Secret,
};

/// Each variable is `NAME=value`; the last of a name counts.
pub(super) fn environment(variables: impl Iterator<Item = OsString>) -> Environment {
    let mut environment = Environment::default();
    for variable in variables {
        let mut parts = variable.as_bytes().splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        let name = std::str::from_utf8(name).unwrap_or_default();
        let value = OsStr::from_bytes(parts.next().unwrap_or_default());
        set(&mut environment, name, value);
    }
    environment
}

fn set(environment: &mut Environment, name: &str, value: &OsStr) {
    let text = value.to_str().unwrap_or_default();
    let owned = || Some(value.to_owned());
    match name {
        "RUST_LOG" => environment.rust_log = Some(text.to_owned()),
        PRODUCTION => environment.production = owned(),
        SINGLE_INSTANCE => environment.single_instance = owned(),
        FCM_CREDENTIALS => environment.fcm_credentials = owned().map(Secret::from),
        FCM_ENDPOINT => environment.fcm_endpoint = owned(),
        FLY_APP_NAME => environment.fly_app_name = owned(),
        "HOME" => environment.home = owned(),
        "uid" => environment.effective_uid = text.parse().ok(),
        "memory" => environment.memory_limit = text.parse().ok(),
        "capabilities" => {
            let mask = u64::from_str_radix(text, 16).map(CapabilityMask);
            environment.capabilities = mask.map_or(Capabilities::Unknown, Capabilities::Effective);
        }
        "socket" => {
            let (name, addr) = text.split_once('@').unwrap_or((text, ""));
            environment.activated.push(ActivatedSocket {
                name: name.to_owned(),
                addr: addr.parse().ok(),
            });
        }
        _ => {}
    }
}
