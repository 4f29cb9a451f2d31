//! The Linux capabilities in effect, from `/proc/self/status`, and which of them a relay has no use for.

use std::fmt;
use std::fs;

use thiserror::Error;

/// What is known of the process's capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// The system has none, or they are not to be found out there.
    Unknown,
    /// They should be found and were not.
    Unreadable(CapabilityError),
    /// These are in effect.
    Effective(CapabilityMask),
}

/// A bit per capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CapabilityMask(pub u64);

impl Default for Capabilities {
    fn default() -> Self {
        Self::Effective(CapabilityMask::default())
    }
}

/// What is wrong with the capabilities.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// The file cannot be read.
    #[error("cannot read the capabilities of this process")]
    Unreadable,
    /// The file has no such line.
    #[error("/proc/self/status has no CapEff line")]
    Missing,
    /// The line is not up to 16 hexadecimal digits.
    #[error("the CapEff line of /proc/self/status is not a hexadecimal mask")]
    Malformed,
    /// More than binding a low port.
    #[error("unexpected effective capabilities: {0}")]
    Unexpected(CapabilityMask),
}

/// Binding ports below 1024 is all a relay may need.
const ALLOWED: CapabilityMask = CapabilityMask(1 << 10);

/// The names of bits 0 to 40, from `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The capabilities of this process.
#[must_use]
pub fn effective() -> Capabilities {
    if !cfg!(target_os = "linux") {
        return Capabilities::Unknown;
    }
    let mask = fs::read_to_string("/proc/self/status")
        .map_err(|_| CapabilityError::Unreadable)
        .and_then(|status| effective_in(&status));
    match mask {
        Ok(mask) => Capabilities::Effective(mask),
        Err(error) => Capabilities::Unreadable(error),
    }
}

fn effective_in(status: &str) -> Result<CapabilityMask, CapabilityError> {
    let digits = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .ok_or(CapabilityError::Missing)?
        .trim();
    // `from_str_radix` would take a plus sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(CapabilityError::Malformed);
    }
    u64::from_str_radix(digits, 16)
        .map(CapabilityMask)
        .map_err(|_| CapabilityError::Malformed)
}

impl CapabilityMask {
    /// Whether nothing but binding a low port is in it.
    ///
    /// # Errors
    ///
    /// [`CapabilityError::Unexpected`] with everything else that is.
    pub fn only_allowed(self) -> Result<(), CapabilityError> {
        let unexpected = Self(self.0 & !ALLOWED.0);
        if unexpected.0 == 0 {
            Ok(())
        } else {
            Err(CapabilityError::Unexpected(unexpected))
        }
    }
}

/// Every bit that is set, ascending.
impl fmt::Display for CapabilityMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = (0..u64::BITS).filter(|bit| self.0 >> bit & 1 == 1);
        for (index, bit) in bits.enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write_bit(f, bit)?;
        }
        Ok(())
    }
}

fn write_bit(f: &mut fmt::Formatter<'_>, bit: u32) -> fmt::Result {
    match NAMES.get(bit as usize) {
        Some(name) => write!(f, "{name} (bit {bit})"),
        None => write!(f, "bit {bit}"),
    }
}

#[cfg(test)]
mod tests;
