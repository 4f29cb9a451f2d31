//! Runs one operation of the hot path so many times and ends: `relay-instructions <operation> <times>`.
//!
//! Counting is the caller's: two runs with different counts, and the difference is free of start and end.
//! Each operation is one step of a frame's way: decode, wrap, unwrap, route, encode.

mod frames;
mod operations;

use std::hint::black_box;
use std::process::ExitCode;

use operations::OPERATIONS;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(times)) = (args.next(), args.next()) else {
        return ExitCode::from(2);
    };
    let operation = OPERATIONS.iter().find(|operation| operation.name == name);
    let (Some(operation), Ok(times)) = (operation, times.parse::<u32>()) else {
        return ExitCode::from(2);
    };
    let mut step = (operation.prepare)();
    let sum = (0..times).fold(0_usize, |sum, _| sum.wrapping_add(step()));
    black_box(sum);
    ExitCode::SUCCESS
}
