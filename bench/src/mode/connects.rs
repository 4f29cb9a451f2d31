//! How long a daemon that connects waits for its 101, from now on until told to stop.

use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Target, server_id};
use crate::clock;
use crate::samples::Samples;
use crate::socket;

/// Beyond the server-ids of any crowd.
const FIRST_SERVER: usize = 1_000_000;

/// Connects made at most, so that one run stays bounded.
const MAX_CONNECTS: usize = 20_000;

/// New daemons one after another; says `ready` first, ends when its standard input does.
#[derive(Debug)]
pub(crate) struct Connects {
    pub(crate) target: Target,
    pub(crate) interval: Duration,
}

impl Connects {
    pub(crate) fn run(&self) -> anyhow::Result<Value> {
        let is_over = AtomicBool::new(false);
        let mut samples = Samples::default();
        std::thread::scope(|scope| -> anyhow::Result<()> {
            scope.spawn(|| {
                let mut rest = Vec::new();
                // A broken pipe is an end too.
                let _ = io::stdin().lock().read_to_end(&mut rest);
                is_over.store(true, Ordering::Relaxed);
            });
            say("ready");
            for number in 0..MAX_CONNECTS {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let begun = clock::now();
                let id = server_id(FIRST_SERVER + number);
                let dialled = socket::dial(self.target.addr, number, "/v1/server", &id)?;
                samples.add(clock::now() - begun);
                drop(dialled);
                std::thread::sleep(self.interval);
            }
            Ok(())
        })?;
        Ok(json!({ "connects": samples.summary() }))
    }
}

/// A line for the one who started this process.
pub(crate) fn say(line: &str) {
    println!("{line}");
    // Without a reader the next write fails too, and tells.
    let _ = io::stdout().flush();
}
