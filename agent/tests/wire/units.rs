//! The packaged services.

use std::{path::PathBuf, process::Command};

fn packaged(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd").join(name)
}

fn analyze(arguments: &[&str], unit: &str) -> String {
    let output = Command::new("systemd-analyze").args(arguments).arg(packaged(unit)).env("SYSTEMD_EMOJI", "0").output();
    let output = output.expect("systemd-analyze cannot be run; on Debian: apt-get install systemd");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn both_services_are_exposed_to_little() {
    const MOST: f64 = 2.0;
    for unit in ["rollcall-agent-reader.service", "rollcall-agent-sender.service"] {
        let printed = analyze(&["security", "--offline=true"], unit);
        let figure =
            printed.rsplit_once("Overall exposure level").and_then(|(_, rest)| rest.split(": ").nth(1)?.split(' ').next()?.parse().ok());
        let figure: f64 = figure.unwrap_or_else(|| panic!("{unit}: no figure in: {printed}"));
        assert!(figure <= MOST, "{unit}: {figure}\n{printed}");
    }
}

#[test]
fn systemd_understands_every_line() {
    for unit in ["rollcall-agent-reader.service", "rollcall-agent-sender.service"] {
        let printed = analyze(&["verify", "--man=no", "--recursive-errors=no"], unit);
        let wrong = ["Unknown", "Failed to parse", "Invalid", "ignoring"];
        assert!(!wrong.iter().any(|word| printed.contains(word)), "{printed}");
    }
}

/// What one may and the other may not is what the two are for.
#[test]
fn the_reader_has_no_network_and_the_sender_no_privilege() {
    let lines = |unit: &str| -> Vec<String> { std::fs::read_to_string(packaged(unit)).unwrap().lines().map(str::to_owned).collect() };
    let has = |lines: &[String], line: &str| assert!(lines.iter().any(|known| known == line), "{line} is missing");
    let reader = lines("rollcall-agent-reader.service");
    for line in [
        "RestrictAddressFamilies=AF_NETLINK AF_UNIX",
        "IPAddressDeny=any",
        "CapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE",
        "User=rollcall-reader",
    ] {
        has(&reader, line);
    }
    let sender = lines("rollcall-agent-sender.service");
    for line in ["CapabilityBoundingSet=", "AmbientCapabilities=", "User=rollcall-sender", "ProtectProc=invisible"] {
        has(&sender, line);
    }
}
