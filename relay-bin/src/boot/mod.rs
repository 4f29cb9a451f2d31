//! What the process finds out about its surroundings before it serves.
//!
//! Each file is one question: a thin reader, and a pure function that judges what was read.

pub mod capabilities;
pub mod inherited;
pub mod memory;
pub mod nofile;
pub mod surroundings;
