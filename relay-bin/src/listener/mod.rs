//! Sockets of the process's own: binding what the configuration names, and serving small pages on it.
//!
//! The relay's listener is `relay-transport`'s; what is served here is no traffic of peers.

mod bind;
mod pages;

pub(crate) use bind::{adopt, bind};
pub(crate) use pages::{BoundPage, Page, PageServer};
