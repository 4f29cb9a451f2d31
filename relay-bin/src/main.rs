//! The `pyrycode-relay` executable; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    relay_bin::main()
}
