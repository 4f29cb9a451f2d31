//! What threads meet through: locks, atomics that decide something, and notifications.
//!
//! They come from here so that they can come from elsewhere: the package `relay-model` compiles the modules of this
//! crate with a `sync` of its own, under which a scheduler decides who runs next. Mere counters need not be here.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize};

pub(crate) use parking_lot::{Mutex, RwLock};
pub(crate) use tokio::sync::Notify;
pub(crate) use tokio::sync::futures::Notified;
