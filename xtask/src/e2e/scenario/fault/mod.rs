//! Networks that fail: what they do to one peer is felt by no other, ends as documented, and leaves nothing behind.

mod binary;
mod drain;
mod flood;
mod heads;
mod household;
mod memory;
mod patience;
mod phone;
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
    ]
    .concat()
}
