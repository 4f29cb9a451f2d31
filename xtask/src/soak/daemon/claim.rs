//! Getting a server-id: for oneself, against a daemon that is silent, and in vain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::sleep;

use super::life::Daemon;
use crate::e2e::frame::Frame;
use crate::e2e::http::Request;
use crate::random::Random;
use crate::soak::books::Books;
use crate::soak::link::{Door, Heard, Link};
use crate::soak::world::{World, server_id};

const TAKEN: &str = "server-id already claimed";

/// After this a dead daemon is known to be dead: a probe takes 3 s from its own address.
const DEAD_AFTER: Duration = Duration::from_secs(12);

/// Whose server-id it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Predecessor {
    /// Nobody's, or that of one who has left in order or is silent.
    Gone,
    /// That of one who is gone without a close: bytes of it that the relay reads only now are a sign of life.
    Crashed,
}

/// Claims a server-id that is free, or whose daemon does not answer.
///
/// A pong is the proof: a claimant is not read before it has the server-id.
pub(super) async fn claim(
    world: &Arc<World>,
    server: usize,
    mut random: Random,
    predecessor: Predecessor,
) -> anyhow::Result<Daemon> {
    let begun_at = world.now();
    loop {
        let life = world.books().claim_begun(server, world.now());
        let own = Random::new(random.next());
        let claiming = try_to_claim(world, server, life, own);
        let claimed = claiming
            .await
            .with_context(|| format!("daemon {life} claims server-{server}"))?;
        if let Some(daemon) = claimed {
            return Ok(daemon);
        }
        ensure!(
            predecessor == Predecessor::Crashed && world.now() < begun_at + DEAD_AFTER,
            "daemon {life} is refused server-{server}; its predecessor: {predecessor:?}"
        );
        world.books().claim_refused(server, life);
        sleep(random.millis(200, 1_000)).await;
    }
}

/// `None` if the server-id is somebody else's.
async fn try_to_claim(
    world: &Arc<World>,
    server: usize,
    life: u64,
    random: Random,
) -> anyhow::Result<Option<Daemon>> {
    let mut link = dial(world, server, Door::Plain, random.clone()).await?;
    link.send(&Frame::ping("mine?")).await?;
    let mut early = Vec::new();
    loop {
        match link.hear().await? {
            Heard::Pong(_) => break,
            // A phone may have been faster than the pong.
            Heard::Text(text) => early.push(text),
            Heard::Close(4409, reason) if reason == TAKEN => {
                link.answer_close(4409).await?;
                return Ok(None);
            }
            other @ (Heard::Close(..) | Heard::End(_)) => bail!("{other:?} instead of a pong"),
        }
    }
    let now = world.now();
    let mut books = world.books();
    books.claim_settled(server, life, now);
    books.totals.daemons_claimed += 1;
    drop(books);
    Ok(Some(Daemon::of(world, server, life, link, random, early)))
}

/// Claims a server-id whose daemon answers, and is refused.
pub(super) async fn claim_in_vain(
    world: &Arc<World>,
    server: usize,
    random: Random,
) -> anyhow::Result<()> {
    let claiming = async {
        // For a claim from elsewhere the incumbent has 10 s instead of 3 s to answer: enough on a busy machine too.
        let link = dial(world, server, Door::Elsewhere, random).await?;
        link.expect_refusal(4409, TAKEN).await
    };
    claiming
        .await
        .with_context(|| format!("a rival claims server-{server}"))?;
    world.books().totals.claims_refused += 1;
    Ok(())
}

async fn dial(
    world: &Arc<World>,
    server: usize,
    door: Door,
    random: Random,
) -> anyhow::Result<Link> {
    let request = Request::binary(&server_id(server));
    Link::open(world.addr, &request, door, random).await
}

impl Daemon {
    /// Falls silent until another connection of its own has taken its server-id; that is returned.
    ///
    /// The silent one finds, behind whatever had been sent to it, that it was given up.
    pub(super) async fn be_displaced(mut self) -> anyhow::Result<Self> {
        let says = self.says();
        let displaced = async {
            self.begin_leaving();
            // What it said before it fell silent must not be taken for a sign of life.
            self.settle().await?;
            let random = Random::new(self.random.next());
            let successor =
                Box::pin(claim(&self.world, self.server, random, Predecessor::Gone)).await?;
            let count = |books: &mut Books| books.totals.takeovers += 1;
            count(&mut self.world.books());
            let (code, reason) = self.read_to_close().await?;
            ensure!(
                code == 1011 && reason == "heartbeat timeout",
                "closed with {code} `{reason}` after a takeover"
            );
            self.link.answer_close(code).await?;
            anyhow::Ok(successor)
        };
        displaced
            .await
            .with_context(|| format!("{says} is displaced"))
    }
}
