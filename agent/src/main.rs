//! `rollcall-agent`

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    rollcall_agent::cli::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("rollcall-agent: there are no collectors for this system yet; it runs on Linux");
    std::process::ExitCode::FAILURE
}
