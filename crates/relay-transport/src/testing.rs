//! What this crate's in-memory tests share: a WebSocket client that does nothing of its own accord, and wrappers that
//! count what a connection asks of its stream and of its task.

mod client;
mod counted;
pub(crate) mod log;
mod patience;
mod stream;

pub(crate) use client::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, Frame, PING, PONG, TEXT, close, frame, head, ping,
    pong, text,
};
pub(crate) use counted::{Counted, Polls};
pub(crate) use patience::{eventually, in_time};
pub(crate) use stream::{Call, Fault, Spy, Traffic};
