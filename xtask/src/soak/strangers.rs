//! Those who come by and are no peers: monitors, scanners, and what speaks another protocol or stops in mid-word.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::link::PATIENCE;
use super::world::{Part, World};
use crate::e2e::http::Request;
use crate::e2e::raw::{RawPeer, Received};
use crate::random::Random;

/// Between two of them.
const PACE: Duration = Duration::from_millis(150);

/// At a time: a half-said head is waited for 5 s.
const AT_A_TIME: usize = 64;

/// One visit.
#[derive(Debug, Clone, Copy)]
enum Visit {
    /// A request, and the status of its answer.
    Request(&'static str, u16),
    /// An upgrade of a phone that lacks something, or has too much.
    Upgrade(Fault, u16),
    /// Bytes that are no request, answered with this status or with nothing.
    Bytes(&'static [u8], u16),
    /// Half a head, until the relay gives it up.
    HalfHead,
    /// Half a head, and gone.
    HalfHeadAndGone,
}

/// What is wrong with an upgrade.
#[derive(Debug, Clone, Copy)]
enum Fault {
    NoToken,
    NoUpgrade,
    OldVersion,
    BadKey,
    Post,
    HugeHead,
    BadOrigin,
}

const VISITS: [(u64, Visit); 19] = [
    (4, Visit::Request("/healthz", 200)),
    (4, Visit::Request("/readyz", 200)),
    (2, Visit::Request("/", 404)),
    (2, Visit::Request("/metrics", 404)),
    (2, Visit::Request("/v1/client/", 404)),
    (2, Visit::Request("/v1/client", 400)),
    (2, Visit::Request("/.env", 404)),
    (1, Visit::Upgrade(Fault::NoToken, 400)),
    (1, Visit::Upgrade(Fault::NoUpgrade, 426)),
    (1, Visit::Upgrade(Fault::OldVersion, 400)),
    (1, Visit::Upgrade(Fault::BadKey, 400)),
    (1, Visit::Upgrade(Fault::Post, 405)),
    (1, Visit::Upgrade(Fault::HugeHead, 431)),
    (1, Visit::Upgrade(Fault::BadOrigin, 403)),
    (
        1,
        Visit::Bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ),
    (1, Visit::Bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400)),
    (1, Visit::Bytes(b"\x00\x00\x00\x00\r\n\r\n", 400)),
    (1, Visit::HalfHead),
    (2, Visit::HalfHeadAndGone),
];

/// Sends one after another until phones leave.
pub(super) async fn come_by(world: Arc<World>, part: u64) {
    let mut random = world.random(part);
    let mut visiting = JoinSet::new();
    while !world.pause(PACE, Part::PhonesLeave).await {
        while visiting.try_join_next().is_some() {}
        if visiting.len() == AT_A_TIME {
            continue;
        }
        let visit = random.choose(&VISITS);
        let own = Random::new(random.next());
        let world = Arc::clone(&world);
        world.books().totals.requests += 1;
        visiting.spawn(async move {
            let visited = timeout(PATIENCE, call(&world, visit, own)).await;
            let visited = visited
                .context("it takes too long")
                .and_then(|result| result)
                .with_context(|| format!("a stranger's {visit:?}"));
            if let Err(error) = visited {
                world.fail(&error);
            }
        });
    }
    visiting.join_all().await;
}

async fn call(world: &World, visit: Visit, mut random: Random) -> anyhow::Result<()> {
    let mut peer = RawPeer::dial(world.addr).await?;
    match visit {
        Visit::Request(path, status) => {
            peer.send_bytes(&Request::get(path).bytes()).await?;
            peer.response().await?.expect(status)
        }
        Visit::Upgrade(fault, status) => {
            peer.send_bytes(&faulty(fault).bytes()).await?;
            peer.response().await?.expect(status)
        }
        Visit::Bytes(bytes, status) => {
            peer.send_bytes(bytes).await?;
            match peer.response().await {
                Ok(response) => response.expect(status),
                // Whom it cannot understand at all, the relay need not answer.
                Err(_) => Ok(()),
            }
        }
        Visit::HalfHead => {
            peer.send_bytes(b"GET /v1/client HTTP/1.1\r\nHost: relay")
                .await?;
            let end = peer.next().await?;
            ensure!(
                end == Received::Eof,
                "the end of the stream expected, got {end:?}"
            );
            Ok(())
        }
        Visit::HalfHeadAndGone => {
            let head = Request::phone("server-0").bytes();
            let length = usize::try_from(random.below(head.len() as u64 - 4))?;
            peer.send_bytes(&head[..length]).await
        }
    }
}

fn faulty(fault: Fault) -> Request {
    let request = Request::phone("server-0");
    match fault {
        Fault::NoToken => request.without("X-Pyrycode-Token"),
        Fault::NoUpgrade => request.without("Upgrade"),
        Fault::OldVersion => request.replacing("Sec-WebSocket-Version", "8"),
        Fault::BadKey => request.replacing("Sec-WebSocket-Key", "short"),
        Fault::Post => request.method("POST"),
        Fault::HugeHead => request.with("Cookie", &"x".repeat(20_000)),
        Fault::BadOrigin => request.with("Origin", "::not a url"),
    }
}
