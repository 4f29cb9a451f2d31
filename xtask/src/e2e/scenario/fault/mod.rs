//! Networks and machines that fail: what they do to one peer is felt by no other, what they do to the relay is
//! survived, and either ends as documented and leaves nothing behind.

mod accept;
mod binary;
mod clock;
mod drain;
mod flood;
mod heads;
mod household;
mod kill;
mod memory;
mod patience;
mod phone;
mod stop;
mod watched;

use super::Scenario;

/// The scenarios of every file.
pub(super) fn all() -> Vec<Scenario> {
    [
        phone::ALL,
        binary::ALL,
        heads::ALL,
        drain::ALL,
        patience::ALL,
        memory::ALL,
        accept::ALL,
        clock::ALL,
        kill::ALL,
        stop::ALL,
    ]
    .concat()
}
