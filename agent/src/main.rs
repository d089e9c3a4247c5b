//! `rollcall-agent`

fn main() -> std::process::ExitCode {
    rollcall_agent::cli::main()
}
