//! What the process must not be or have before it faces the internet.

use super::environment::Switches;
use super::{ConfigProblem, ConfigWarning, Environment};
use crate::args::Flags;
use crate::boot::capabilities::{Capabilities, CapabilityError};

/// The refusals of a deployment: a second instance, plain HTTP, root, capabilities, in this order.
pub(super) fn check(
    flags: &Flags,
    environment: &Environment,
    switches: Switches,
    problems: &mut Vec<ConfigProblem>,
    warnings: &mut Vec<ConfigWarning>,
) {
    if environment.is_multi_instance_platform() && !switches.is_single_instance {
        problems.push(ConfigProblem::MultiInstance);
    }
    if switches.is_production && !flags.insecure_listen.value().is_empty() {
        problems.push(ConfigProblem::InsecureInProduction);
    }
    if switches.is_production && environment.effective_uid == Some(0) {
        problems.push(ConfigProblem::RootInProduction { effective_uid: 0 });
    }
    match allowed(&environment.capabilities) {
        Ok(()) => {}
        Err(source) if switches.is_production => {
            problems.push(ConfigProblem::Capabilities { source });
        }
        Err(error) => warnings.push(ConfigWarning::Capabilities(error)),
    }
    if environment.capabilities == Capabilities::Unknown {
        warnings.push(ConfigWarning::CapabilitiesUnknown);
    }
}

fn allowed(capabilities: &Capabilities) -> Result<(), CapabilityError> {
    match capabilities {
        Capabilities::Unknown => Ok(()),
        Capabilities::Unreadable(error) => Err(error.clone()),
        Capabilities::Effective(mask) => mask.only_allowed(),
    }
}
