//! relay-core's `random` with the scheduler's dice: the same schedule mints the same ids and walks the maps in the
//! same order.

use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use shuttle::rand::{RngCore, thread_rng};

/// Without the keys of its namesake in std.
pub(crate) type RandomState = BuildHasherDefault<DefaultHasher>;

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    thread_rng().fill_bytes(bytes);
    Ok(())
}
