//! One program for every target; `ROLLCALL_FUZZ_TARGET` chooses.
#![no_main]

// The clean-up is for the test that shares this table; tests/fuzz removes its directory itself.
#[allow(dead_code)]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

/// The chosen target. An unknown one ends the program: nothing would be tested.
fn chosen() -> fn(&[u8]) {
    static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let name = std::env::var("ROLLCALL_FUZZ_TARGET").unwrap_or_default();
        if name == "list" {
            for target in targets::TARGETS {
                println!("{}", target.name);
            }
            std::process::exit(0);
        }
        let Some(target) = targets::TARGETS.iter().find(|target| target.name == name) else {
            eprintln!("there is no target {name:?}; tests/fuzz --list names them");
            std::process::exit(2);
        };
        target.run
    })
}

fuzz_target!(|bytes: &[u8]| chosen()(bytes));
