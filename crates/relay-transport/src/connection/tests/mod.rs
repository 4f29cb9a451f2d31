//! Connections in memory: a raw client at one end of a pipe, a connection with a real registry member at the other,
//! and a paused clock, so that half a minute of silence takes no time and a busy loop takes for ever.

mod backpressure;
mod closing;
mod drain;
mod heartbeat;
mod idle;
mod leg;
mod model;
mod offences;
mod ordering;
mod peer_close;
mod reading;
mod recorder;
mod size;
mod suspended;
mod timeouts;
mod writing;

use std::time::Duration;

use leg::{Leg, Setup, frames_in};

use super::*;
use crate::testing::*;

const SECOND: Duration = Duration::from_secs(1);

/// Starts to tell how much of the paused clock's time passes.
fn stopwatch() -> impl Fn() -> Duration {
    let start = crate::clock::now();
    move || crate::clock::now() - start
}
