//! The waker and Google made up, over real sockets.
#![expect(clippy::unwrap_used, reason = "a panic in a test is its report")]

mod bench;
mod google;
mod leaks;
mod logs;
mod sending;
#[path = "../../src/testing.rs"]
mod testing;
