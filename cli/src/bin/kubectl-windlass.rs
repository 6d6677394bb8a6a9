//! The same program as `windlass`: `kubectl windlass explain node X` finds it by this name.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
