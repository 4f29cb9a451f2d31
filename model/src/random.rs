//! relay-core's `random` with the scheduler's dice: the same schedule mints the same ids.

use shuttle::rand::{RngCore, thread_rng};

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), getrandom::Error> {
    thread_rng().fill_bytes(bytes);
    Ok(())
}
