//! `windlass` for the tests that follow a page: Cargo tells a test of programs of its own package alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
