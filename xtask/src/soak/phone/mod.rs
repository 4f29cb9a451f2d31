//! Phones: how they come, what they do, and when; a place is taken by one connection after another.

mod leaving;
mod life;
mod passer;

use std::sync::Arc;
use std::time::Duration;

use crate::random::Random;

use super::books::{End, NO_STATUS};
use super::world::{Part, World};
pub(super) use leaving::Leave;
use life::Life;
pub(super) use life::request;
pub(super) use passer::pass_by;

/// A time that is over with the traffic and not before.
const ALL_ALONG: Duration = Duration::MAX;

/// What one connection is going to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) style: Style,
    pub(super) time: Duration,
    pub(super) leave: Leave,
}

/// How a phone behaves while it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Sends frames and reads the answers.
    Talks,
    /// Says nothing, so that its daemon hears of it through its notice only.
    Listens,
    /// Asks for more than its socket holds, and reads nothing for a while.
    Stalls,
}

impl Plan {
    /// As it comes.
    fn any(random: &mut Random) -> Self {
        let style = random.choose(&[(84, Style::Talks), (10, Style::Listens), (6, Style::Stalls)]);
        let (least, most) = random.choose(&[
            (40, (0, 2_000)),
            (40, (2_000, 15_000)),
            (20, (15_000, 60_000)),
        ]);
        Self {
            style,
            time: random.millis(least, most),
            leave: leave(random),
        }
    }
}

fn leave(random: &mut Random) -> Leave {
    let code = random.choose(&[(4, 1000), (1, 1001), (2, NO_STATUS), (1, 3000), (1, 4999)]);
    // The last is none that may be sent.
    let asked = random.choose(&[(3, 1000), (3, 4401), (2, NO_STATUS), (2, 4999), (1, 2000)]);
    let last_word = random.chance(50);
    random.choose(&[
        (20, Leave::Close(code)),
        (10, Leave::CloseInHaste(code)),
        (4, Leave::CloseAndVanish(code)),
        (12, Leave::Drop),
        (12, Leave::Reset),
        (6, Leave::DropInFrame),
        (6, Leave::ResetInFrame),
        (4, Leave::NotJson),
        (6, Leave::Offend),
        (
            12,
            Leave::Ask {
                code: asked,
                last_word,
            },
        ),
        (8, Leave::Stay),
    ])
}

/// Fills a place at a server-id with one phone after another until phones leave.
pub(super) async fn come_and_go(world: Arc<World>, server: usize, place: u64) {
    let mut random = world.random(place);
    // Not all in one instant.
    let mut wait = random.millis(0, 3_000);
    while !world.pause(wait, Part::PhonesLeave).await {
        let plan = Plan::any(&mut random);
        wait = match live(&world, server, &mut random, plan).await {
            Some(End::Refused) => random.millis(500, 4_000),
            Some(_) => random.millis(20, 1_500),
            None => return,
        };
    }
}

/// Stays for the whole run.
pub(super) async fn reside(world: Arc<World>, server: usize, place: u64) {
    let mut random = world.random(place);
    let plan = Plan {
        style: Style::Talks,
        time: ALL_ALONG,
        leave: Leave::Close(1000),
    };
    // A directive closes residents too, and there are daemons that leave.
    while !world
        .pause(random.millis(20, 1_500), Part::PhonesLeave)
        .await
    {
        if live(&world, server, &mut random, plan).await.is_none() {
            return;
        }
    }
}

/// One connection, from its dial to its end; `None` when a check failed.
async fn live(world: &Arc<World>, server: usize, random: &mut Random, plan: Plan) -> Option<End> {
    // Such a future is large, and there are hundreds.
    let life = Box::pin(Life::run(world, server, Random::new(random.next()), plan));
    match life.await {
        Ok(end) => Some(end),
        Err(error) => {
            world.fail(&error);
            None
        }
    }
}
