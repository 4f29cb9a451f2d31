//! The races of relay-core: what threads do to the registry and its outboxes at the same time.
//!
//! Each test is one small scene that runs again and again, its threads interleaved in another way each time, and says
//! what is true whatever the way. That nobody waits for ever needs no assertion: a schedule in which every thread
//! waits is a failure.

mod budget;
mod check;
mod claims;
mod drain;
mod everything;
mod grace;
mod notices;
mod phones;
mod race;
mod relay;
mod wake;

use check::check;
use relay::Relay;
