//! Ten thousand peers that mostly do nothing: what they weigh, what they leave behind, and how they are sent home.

use std::io::{self, BufRead as _};
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Target, server_id};
use crate::clock;
use crate::engine::Engine;
use crate::peers::{Daemon, Either, Phone, Seen};
use crate::socket;
use crate::wire;

/// Until an allocator has given back what a burst needed: jemalloc does so within 10 s.
const ALLOCATOR_DECAY: Duration = Duration::from_secs(12);

/// Half of them daemons with one phone each: nothing is shared, so this is the dearest way to be so many.
fn gather(
    target: Target,
    connections: usize,
    payload: &str,
) -> anyhow::Result<(Engine<Either>, Rc<Seen>)> {
    let seen = Rc::new(Seen::default());
    let mut engine = Engine::new()?;
    let mut phone = Phone::new(&seen, payload, 1);
    // One word each, and no second when it is answered.
    phone.limit = 1;
    for pair in 0..connections / 2 {
        let id = server_id(pair);
        let daemon = socket::dial(target.addr, 2 * pair, "/v1/server", &id)?;
        engine.add(daemon, Either::Daemon(Daemon::new(&seen)))?;
        let dialled = socket::dial(target.addr, 2 * pair + 1, "/v1/client", &id)?;
        engine.add(dialled, Either::Phone(phone.another()))?;
    }
    Ok((engine, seen))
}

/// Memory of idle peers, then of the same after a big message each way, and the price of their heartbeats.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) target: Target,
    pub(crate) connections: usize,
    /// How long they are only there; longer than a heartbeat's interval, so that each is pinged.
    pub(crate) idle: Duration,
    pub(crate) big_bytes: usize,
}

impl Idle {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let process = self.target.process;
        // What the first connection of all makes the process allocate is nobody's share.
        let warm_up = gather(self.target, 100, &wire::payload(64))?;
        drop(warm_up);
        let rss_empty = process.rss()?;

        let big = wire::payload(self.big_bytes);
        let (mut engine, seen) = gather(self.target, self.connections, &big)?;
        engine.run_until(clock::now() + Duration::from_secs(2), |_| false)?;
        let rss_connected = process.rss()?;

        let cpu_before = process.cpu()?;
        let begun = clock::now();
        engine.run_until(begun + self.idle, |_| false)?;
        let cpu = process.cpu()? - cpu_before;
        let idle = clock::now() - begun;
        let rss_idle = process.rss()?;
        let pings = seen.pings.get();

        let phones = self.connections / 2;
        let mut answered = 0;
        // A few at a time: what is measured is what stays, not what a burst needs.
        for phone in (1..self.connections).step_by(2) {
            engine.speak(phone);
            if phone % 64 == 63 || phone + 2 >= self.connections {
                let patience = clock::now() + Duration::from_secs(30);
                let goal = (phone as u64).div_ceil(2);
                engine.run_until(patience, |_| seen.round_trips.get() >= goal)?;
            }
            answered = seen.round_trips.get();
        }
        ensure!(
            answered == phones as u64,
            "{answered} of {phones} big messages came back"
        );
        engine.run_until(clock::now() + ALLOCATOR_DECAY, |_| false)?;
        let rss_after_big = process.rss()?;
        ensure!(
            engine.open() == self.connections,
            "{} of {} left",
            engine.open(),
            self.connections
        );
        drop(engine);
        Ok(json!({
            "connections": self.connections,
            "rss_empty": rss_empty,
            "rss_connected": rss_connected,
            "rss_idle": rss_idle,
            "rss_after_big": rss_after_big,
            "big_round_trips": answered,
            "pings": pings,
            "idle_seconds": idle.as_secs_f64(),
            "idle_cpu_seconds": cpu.as_secs_f64(),
        }))
    }
}

/// A drain of peers that read and answer.
#[derive(Debug)]
pub(crate) struct Drain {
    pub(crate) target: Target,
    pub(crate) connections: usize,
}

impl Drain {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let (mut engine, seen) = gather(self.target, self.connections, &wire::payload(64))?;
        engine.run_until(clock::now() + Duration::from_secs(1), |_| false)?;
        let everybody = self.connections as u64;
        let begun = clock::now();
        self.target.process.terminate()?;
        // On beyond the last close: a peer that was told hangs up when it sees the end.
        engine.run_until(begun + Duration::from_secs(15), |engine| {
            seen.closes.get() >= everybody && engine.open() == 0
        })?;
        let is_gone = self.target.process.wait(Duration::from_secs(15))?;
        let gone = clock::now() - begun;
        let last_close = seen.last_close.get().map(|at| (at - begun).as_secs_f64());
        ensure!(is_gone, "the process is still there");
        Ok(json!({
            "connections": self.connections,
            "going_away": seen.going_away.get(),
            "last_close_seconds": last_close,
            "process_gone_seconds": gone.as_secs_f64(),
        }))
    }
}

/// Connects and holds, says `ready`, and waits to be killed: all are dropped at once.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) target: Target,
    pub(crate) connections: usize,
}

impl Hold {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let (engine, _seen) = gather(self.target, self.connections, &wire::payload(64))?;
        crate::mode::connects::say("ready");
        let mut line = String::new();
        // Ends with its parent too, whose end closes the pipe.
        io::stdin().lock().read_line(&mut line)?;
        Ok(json!({ "connections": engine.open() }))
    }
}
