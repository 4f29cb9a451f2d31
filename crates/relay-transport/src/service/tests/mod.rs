//! The service without sockets: hand-made requests, and hyper over a pipe with a paused clock.

mod counts;
mod drain;
mod grace;
mod legs;
mod probe;
mod relay;
mod respond;

use std::time::Duration;

use relay::{Relay, phone, server};
use relay_core::{DrainServer, Limits, Origin, Registry};

use super::{RelayService, ResponseBody};
use crate::builder::ServerBuilder;
use crate::clock;
use crate::config::{Config, RateLimit};
use crate::testing::*;

const SECOND: Duration = Duration::from_secs(1);

/// Starts to tell how much of the paused clock's time passes.
fn stopwatch() -> impl Fn() -> Duration {
    let start = clock::now();
    move || clock::now() - start
}
