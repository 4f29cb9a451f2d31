//! Claiming a server-id, and asking its holder for a sign of life when there is one.

use std::pin::pin;

use relay_core::{Binary, ClaimError, Incumbent, Origin, Registry, ServerId};

use crate::clock;
use crate::deadlines::{TimedOut, timeout};
use crate::service::Shared;

/// A claim that went through.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) binary: Binary,
    /// A silent incumbent was displaced.
    pub(super) took_over: bool,
}

/// Why a claimant has to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Declined {
    /// The incumbent lives, or somebody else was faster.
    Held,
    Draining,
}

/// Claims `id`; a held one after a probe that its holder failed.
pub(super) async fn claim(
    shared: &Shared,
    id: &ServerId,
    origin: Origin,
) -> Result<Claimed, Declined> {
    let (registry, config) = (&shared.registry, &shared.config);
    let incumbent = match registry.claim(id, origin, clock::now()) {
        Ok(binary) => return Ok(fresh(binary)),
        Err(ClaimError::Held(incumbent)) => incumbent,
        Err(_draining) => return Err(Declined::Draining),
    };
    shared.counters.probes.step();
    let patience = if origin.is_same_host(incumbent.origin()) {
        config.probe_timeout_same_host
    } else {
        config.probe_timeout
    };
    let asked = pin!(incumbent.probe());
    let answer = tokio::select! {
        biased;
        () = registry.draining() => return Err(Declined::Draining),
        answer = timeout(patience, asked) => answer,
    };
    match answer {
        Ok(relay_core::ProbeAnswer::Alive) => Err(Declined::Held),
        Ok(relay_core::ProbeAnswer::Gone) => registry
            .claim(id, origin, clock::now())
            .map(fresh)
            .map_err(declined),
        Err(TimedOut) => take_over(registry, &incumbent, origin),
    }
}

fn take_over(
    registry: &Registry,
    incumbent: &Incumbent,
    origin: Origin,
) -> Result<Claimed, Declined> {
    registry
        .take_over(incumbent, origin, clock::now())
        .map(|binary| Claimed {
            binary,
            took_over: true,
        })
        .map_err(declined)
}

fn fresh(binary: Binary) -> Claimed {
    Claimed {
        binary,
        took_over: false,
    }
}

fn declined(error: ClaimError) -> Declined {
    match error {
        ClaimError::Held(_) => Declined::Held,
        ClaimError::Draining | _ => Declined::Draining,
    }
}
