//! Who takes part, and how many of each: enough for everything to happen within two minutes, at well under one core.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::world::World;
use super::{daemon, phone, strangers};

/// Server-ids that daemons hold.
pub(super) const SERVERS: usize = 20;

/// Of these, those with a daemon that never leaves: there every notice is owed.
const STEADY_SERVERS: usize = 5;

/// Server-ids behind those, for which there never is a daemon.
pub(super) const EMPTY_SERVERS: usize = 1;

/// Places for phones at each server-id.
const PHONES: usize = 12;

/// Of these, those whose phone means to stay, at each steady server.
const RESIDENTS: usize = 3;

/// More places at the last server-id, so that it is full at times.
const CROWD: usize = 8;

/// The crowd, on tasks.
#[derive(Debug, Default)]
pub(super) struct Actors {
    /// And all others that leave before daemons do.
    pub(super) phones: JoinSet<()>,
    pub(super) daemons: JoinSet<()>,
}

/// Everybody there is, each with random numbers of their own.
pub(super) fn crowd(world: &Arc<World>) -> Actors {
    let mut actors = Actors::default();
    let mut part = 0;
    let mut next = || {
        part += 1;
        part
    };
    for server in 0..SERVERS + EMPTY_SERVERS {
        let world = |()| Arc::clone(world);
        if server < STEADY_SERVERS {
            actors
                .daemons
                .spawn(daemon::reside(world(()), server, next()));
        } else if server < SERVERS {
            actors
                .daemons
                .spawn(daemon::come_and_go(world(()), server, next()));
        }
        let places = match server {
            server if server >= SERVERS => 1,
            server if server == SERVERS - 1 => PHONES + CROWD,
            _ => PHONES,
        };
        for place in 0..places {
            if server < STEADY_SERVERS && place < RESIDENTS {
                actors
                    .phones
                    .spawn(phone::reside(world(()), server, next()));
            } else {
                actors
                    .phones
                    .spawn(phone::come_and_go(world(()), server, next()));
            }
        }
    }
    actors
        .phones
        .spawn(phone::pass_by(Arc::clone(world), SERVERS, next()));
    actors
        .phones
        .spawn(strangers::come_by(Arc::clone(world), next()));
    actors
}
