//! Phones that connect, say one thing, hear it back and close: what a visit costs the relay.

use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{bail, ensure};
use serde_json::{Value, json};

use super::{Target, server_id};
use crate::clock;
use crate::engine::Engine;
use crate::peers::{Daemon, Seen};
use crate::socket;
use crate::wire::{self, Kind};

/// Visitors at a time.
const VISITORS: usize = 8;

#[derive(Debug)]
pub(crate) struct Churn {
    pub(crate) target: Target,
    pub(crate) visits: usize,
}

impl Churn {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let is_over = AtomicBool::new(false);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let daemons = scope.spawn(|| self.daemons(&is_over));
            // A visit before any is counted shows that the daemons are there.
            let patience = clock::now() + Duration::from_secs(5);
            while let Err(error) = self.visit(0) {
                if clock::now() > patience || daemons.is_finished() {
                    is_over.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            let cpu_before = self.target.process.cpu()?;
            let begun = clock::now();
            let visitors: Vec<_> = (0..VISITORS)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= self.visits {
                                return anyhow::Ok(());
                            }
                            self.visit(number)?;
                        }
                    })
                })
                .collect();
            let mut result = Ok(());
            for visitor in visitors {
                result = result.and(visitor.join().expect("visitors return their errors"));
            }
            let elapsed = clock::now() - begun;
            let cpu = self.target.process.cpu()? - cpu_before;
            is_over.store(true, Ordering::Relaxed);
            daemons.join().expect("daemons return their errors")?;
            result?;
            let visits = self.visits as f64;
            Ok(json!({
                "visits": self.visits,
                "visits_per_second": visits / elapsed.as_secs_f64(),
                "cpu_us_per_visit": cpu.as_secs_f64() * 1e6 / visits,
            }))
        })
    }

    fn daemons(&self, is_over: &AtomicBool) -> anyhow::Result<()> {
        let seen = Rc::new(Seen::default());
        let mut engine = Engine::new()?;
        for server in 0..VISITORS {
            let dialled = socket::dial(self.target.addr, server, "/v1/server", &server_id(server))?;
            engine.add(dialled, Daemon::new(&seen))?;
        }
        while !is_over.load(Ordering::Relaxed) {
            engine.run_until(clock::now() + Duration::from_millis(20), |_| false)?;
        }
        ensure!(engine.open() == VISITORS, "a daemon was lost");
        Ok(())
    }

    fn visit(&self, number: usize) -> anyhow::Result<()> {
        let id = server_id(number % VISITORS);
        let mut dialled = socket::dial(self.target.addr, number, "/v1/client", &id)?;
        let stream = &mut dialled.stream;
        let mut out = Vec::new();
        wire::masked_text(wire::payload(64).as_bytes(), &mut out);
        stream.write_all(&out)?;
        let mut bytes = dialled.leftover;
        expect(stream, &mut bytes, Kind::Text)?;
        out.clear();
        wire::masked_close(1000, &mut out);
        stream.write_all(&out)?;
        expect(stream, &mut bytes, Kind::Close)
    }
}

fn expect(
    stream: &mut std::net::TcpStream,
    bytes: &mut Vec<u8>,
    expected: Kind,
) -> anyhow::Result<()> {
    let mut part = [0; 1024];
    loop {
        if let Some((frame, taken)) = wire::frame(bytes) {
            ensure!(
                frame.kind == expected,
                "{:?} instead of {expected:?}",
                frame.kind
            );
            bytes.drain(..taken);
            return Ok(());
        }
        match stream.read(&mut part)? {
            0 => bail!("closed before {expected:?}"),
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
}
