//! Daemons: how they come, how long they stay, and when they come back.

mod claim;
mod initiative;
mod leaving;
mod life;
mod session;

use std::sync::Arc;
use std::time::Duration;

use crate::random::Random;

use super::books::GRACE;
use super::world::{Part, World};
use claim::{Predecessor, claim};
use leaving::Leave;

/// How long a daemon is away.
#[derive(Debug, Clone, Copy)]
enum Absence {
    /// It is back before anybody notices.
    None,
    Within,
    Beyond,
}

/// Keeps a server-id held by one daemon, from the start to the end.
pub(super) async fn reside(world: Arc<World>, server: usize, part: u64) {
    let random = world.random(part);
    let whole = async {
        let mut daemon = Box::pin(claim(&world, server, random, Predecessor::Gone)).await?;
        Box::pin(daemon.serve(Duration::MAX)).await?;
        daemon.leave(Leave::Close(1000)).await
    };
    if let Err(error) = whole.await {
        world.fail(&error);
    }
}

/// Has a server-id held by one daemon after another; every kind of end, every kind of return.
pub(super) async fn come_and_go(world: Arc<World>, server: usize, part: u64) {
    let mut random = world.random(part);
    let whole = async {
        world
            .pause(random.millis(0, 2_000), Part::PhonesLeave)
            .await;
        let mut predecessor = Predecessor::Gone;
        loop {
            let own = Random::new(random.next());
            let mut daemon = Box::pin(claim(&world, server, own, predecessor)).await?;
            loop {
                Box::pin(daemon.serve(random.millis(6_000, 30_000))).await?;
                if world.has_begun(Part::DaemonsLeave) || !random.chance(20) {
                    break;
                }
                daemon = Box::pin(daemon.be_displaced()).await?;
            }
            if world.has_begun(Part::DaemonsLeave) {
                return daemon.leave(Leave::Close(1000)).await;
            }
            let leave = Leave::any(&mut random);
            predecessor = leave.predecessor();
            Box::pin(daemon.leave(leave)).await?;
            let absence = absence(&mut random);
            world.pause(absence, Part::PhonesLeave).await;
        }
    };
    if let Err(error) = whole.await {
        world.fail(&error);
    }
}

fn absence(random: &mut Random) -> Duration {
    match random.choose(&[
        (5, Absence::None),
        (3, Absence::Within),
        (2, Absence::Beyond),
    ]) {
        Absence::None => Duration::ZERO,
        Absence::Within => random.millis(500, 20_000),
        Absence::Beyond => GRACE + random.millis(1_000, 8_000),
    }
}
