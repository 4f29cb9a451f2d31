//! relay-core's `sync` under shuttle: every call here is a point at which another thread may go on instead.
//!
//! The locks are shuttle's with the ways of parking_lot: no poison, since a panic ends the run. They are stricter:
//! a lock, the read half too, that its thread already holds is a failure. Atomics are sequentially consistent
//! whatever ordering the code asks for, so a wrong `Relaxed` is not found here.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

pub(crate) use shuttle::sync::atomic::{AtomicU64, AtomicUsize};
use shuttle::sync::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use tokio::sync::futures::Notified;

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// tokio's own, which has tests of its own kind: here each call is one step, with a turn of the scheduler before it.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    notify: tokio::sync::Notify,
    turns: AtomicUsize,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        self.turn();
        self.notify.notified()
    }

    pub(crate) fn notify_one(&self) {
        self.turn();
        self.notify.notify_one();
    }

    pub(crate) fn notify_waiters(&self) {
        self.turn();
        self.notify.notify_waiters();
    }

    /// Not a yield: that would tell a scheduler by priorities to put this thread last.
    fn turn(&self) {
        self.turns.fetch_add(1, Ordering::SeqCst);
    }
}
