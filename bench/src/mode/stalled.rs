//! A daemon that floods one phone while others talk to it: what it does to them when that phone stops reading.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::{Target, server_id};
use crate::clock;
use crate::engine::Engine;
use crate::peers::{Daemon, Either, Phone, Seen};
use crate::socket;
use crate::wire;

/// Siblings that talk, one frame in flight each.
const SIBLINGS: usize = 8;

/// Of one flooding frame.
const FLOOD_BYTES: usize = 16 << 10;

/// Between two of them: 8 MB/s, which fills the 32 MiB of a phone's queue in four seconds.
const FLOOD_INTERVAL: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Stalled {
    pub(crate) target: Target,
    /// Whether the flooded phone stops reading.
    pub(crate) stalls: bool,
    pub(crate) measured: Duration,
}

impl Stalled {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let id = server_id(0);
        let siblings_seen = Rc::new(Seen::default());
        let flooded_seen = Rc::new(Seen::default());
        let mut engine = Engine::new()?;
        let dialled = socket::dial(self.target.addr, 0, "/v1/server", &id)?;
        let daemon = engine.add(dialled, Either::Daemon(Daemon::new(&flooded_seen)))?;

        // The first to speak, so that the daemon learns its name.
        let dialled = socket::dial(self.target.addr, 1, "/v1/client", &id)?;
        let mut phone = Phone::new(&flooded_seen, &wire::payload(64), 1);
        phone.limit = 1;
        let flooded = engine.add(dialled, Either::Phone(phone))?;
        engine.speak(flooded);
        let patience = clock::now() + Duration::from_secs(5);
        engine.run_until(patience, |_| flooded_seen.round_trips.get() > 0)?;
        self.set_flood(&mut engine)?;

        let sibling = Phone::new(&siblings_seen, &wire::payload(64), 1);
        for number in 0..SIBLINGS {
            let dialled = socket::dial(self.target.addr, 2 + number, "/v1/client", &id)?;
            let sibling = engine.add(dialled, Either::Phone(sibling.another()))?;
            engine.speak(sibling);
        }
        let end = clock::now() + self.measured;
        let mut frames = 0_u32;
        let mut next = clock::now();
        while clock::now() < end {
            next += FLOOD_INTERVAL;
            engine.run_until(next.min(end), |_| false)?;
            engine.speak(daemon);
            frames += 1;
        }
        ensure!(
            engine.open() == SIBLINGS + 2,
            "a connection was lost under the flood"
        );
        ensure!(
            engine.unsent(daemon) < 1 << 20,
            "the daemon's leg is not read"
        );
        Ok(json!({
            "stalls": self.stalls,
            "flood_frames": frames,
            "flood_frames_read": flooded_seen.round_trips.get() - 1,
            "siblings": siblings_seen.latencies.take().summary(),
        }))
    }

    fn set_flood(&self, engine: &mut Engine<Either>) -> anyhow::Result<()> {
        let mut conn_id = None;
        for peer in engine.peers_mut() {
            match peer {
                Either::Daemon(daemon) => {
                    let name = daemon.first_conn_id.clone();
                    let name = name.context("the daemon has heard nothing")?;
                    let payload = wire::payload(FLOOD_BYTES);
                    daemon.flood =
                        format!(r#"{{"conn_id":"{name}","frame":{payload}}}"#).into_bytes();
                    conn_id = Some(name);
                }
                Either::Phone(phone) => phone.is_stalled = self.stalls,
                Either::Mirror(_) | Either::RawPhone(_) | Either::EchoServer(_) => {}
            }
        }
        conn_id.map(drop).context("no daemon")
    }
}
