//! Doing things at the same time.

use shuttle::rand::{Rng as _, thread_rng};
use shuttle::thread;

/// Runs both at the same time and returns what came of each.
pub(crate) fn race<A, B>(
    a: impl FnOnce() -> A + Send + 'static,
    b: impl FnOnce() -> B + Send + 'static,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let (a, b) = (thread::spawn(a), thread::spawn(b));
    (a.join().expect("no panic"), b.join().expect("no panic"))
}

/// Runs all three at the same time and returns what came of each.
pub(crate) fn race3<A, B, C>(
    a: impl FnOnce() -> A + Send + 'static,
    b: impl FnOnce() -> B + Send + 'static,
    c: impl FnOnce() -> C + Send + 'static,
) -> (A, B, C)
where
    A: Send + 'static,
    B: Send + 'static,
    C: Send + 'static,
{
    let c = thread::spawn(c);
    let (a, b) = race(a, b);
    (a, b, c.join().expect("no panic"))
}

/// One or the other, as the schedule has it.
pub(crate) fn coin() -> bool {
    thread_rng().gen_bool(0.5)
}
