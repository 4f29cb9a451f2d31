//! The waker and Google made up, over real sockets.

mod bench;
mod google;
mod leaks;
mod logs;
mod sending;
#[path = "../../src/testing.rs"]
mod testing;
