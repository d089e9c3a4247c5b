//! `rollcall`: the collector and its client commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    rollcall::cli::main()
}
