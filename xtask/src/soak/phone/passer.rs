//! Phones that hardly come: the many short connections by which a leak of a connection is told from noise.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::life::{Life, request};
use super::{Leave, Plan, Style};
use crate::e2e::raw::RawPeer;
use crate::random::Random;
use crate::soak::books::End;
use crate::soak::world::{Part, World};

/// Between two of them.
const PACE: Duration = Duration::from_millis(25);

/// At a time; they are slow when the machine is, and nothing is shown by more of them.
const AT_A_TIME: usize = 64;

/// Sends one after another to the first `servers` server-ids until phones leave.
pub(in crate::soak) async fn pass_by(world: Arc<World>, servers: usize, part: u64) {
    let mut random = world.random(part);
    let mut passing = JoinSet::new();
    while !world.pause(PACE, Part::PhonesLeave).await {
        while passing.try_join_next().is_some() {}
        if passing.len() == AT_A_TIME {
            continue;
        }
        let server = usize::try_from(random.below(servers as u64)).unwrap_or_default();
        let own = Random::new(random.next());
        let world = Arc::clone(&world);
        passing.spawn(async move {
            if let Err(error) = pass(&world, server, own).await {
                world.fail(&error);
            }
        });
    }
    passing.join_all().await;
}

async fn pass(world: &Arc<World>, server: usize, mut random: Random) -> anyhow::Result<()> {
    let leave = random.choose(&[
        (3, None),
        (3, Some(Leave::Drop)),
        (3, Some(Leave::Reset)),
        (3, Some(Leave::Close(1000))),
        (2, Some(Leave::CloseInHaste(1000))),
        (2, Some(Leave::CloseAndVanish(1000))),
        (1, Some(Leave::ResetInFrame)),
    ]);
    let Some(leave) = leave else {
        return knock(world, server, random).await;
    };
    let plan = Plan {
        style: Style::Listens,
        time: Duration::ZERO,
        leave,
    };
    Box::pin(Life::run(world, server, random, plan)).await?;
    Ok(())
}

/// Asks for an upgrade, all of it or half, and does not wait for the answer.
async fn knock(world: &Arc<World>, server: usize, mut random: Random) -> anyhow::Result<()> {
    let id = world.books().dialled(server, world.now());
    let knocking = async {
        let mut peer = RawPeer::dial(world.addr).await?;
        let bytes = request(server, id).bytes();
        let length = random.choose(&[(2, bytes.len()), (1, bytes.len() / 2), (1, 0)]);
        peer.send_bytes(&bytes[..length]).await?;
        if random.chance(50) {
            peer.reset()?;
        }
        anyhow::Ok(())
    };
    knocking
        .await
        .with_context(|| format!("phone {id} at server-{server}, which knocks and runs"))?;
    world.books().ended(id, End::Dropped, 0, world.now());
    Ok(())
}
