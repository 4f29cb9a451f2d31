//! The `pyrycode-relay` executable; everything is in the library beside it.

use std::process::ExitCode;

/// Of the executable alone: an embedder chooses its own.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    relay_bin::main()
}
