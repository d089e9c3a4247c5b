//! Whole inventories of recorded machines, compared with what is known to be right.

use std::path::Path;

use rollcall_agent::{
    collect::{self, Machine},
    files::Root,
    observe::{Attribution, Windows},
};
use rollcall_shared::Timestamp;
use serde_json::Value;

fn check(machine: &str) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real");
    let root = Root::new(fixtures.join(machine));
    let (windows, attribution) = (Windows::default(), Attribution::default());
    let sections = collect::collect(&Machine::new(&root, Timestamp::default(), &windows, Ok(&attribution)), None);
    let mut found = serde_json::to_value(sections).unwrap();
    for section in found.as_object_mut().unwrap().values_mut() {
        let section = section.as_object_mut().unwrap();
        // How long it took, when, and the digest over the dates of checked-out files are not the machine's.
        section.retain(|key, _| key == "status" || key == "data");
        remove_dates(section.get_mut("data").unwrap());
    }
    let found = format!("{found:#}\n");
    let path = fixtures.join(format!("{machine}.json"));
    if std::env::var_os("ROLLCALL_UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let differing = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "{}: first difference (found, expected): {differing:?}", path.display());
}

/// Dates of files: a checkout makes them anew.
fn remove_dates(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("installed_at");
            fields.values_mut().for_each(remove_dates);
        }
        Value::Array(entries) => entries.iter_mut().for_each(remove_dates),
        _ => {}
    }
}

#[test]
fn a_virtual_machine_with_debian_12() {
    check("debian12-vm");
}
