//! Documents against a hand-written table of what the format says: which members there are, their types, which are
//! required, and the values and date formats that it lists.

use std::path::Path;

use super::*;
use crate::{
    collect::{self, Machine},
    files::Root,
    observe::{Attribution, Windows},
};

/// What a member must be.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Integer,
    Truth,
    /// `2018-10-11`
    Date,
    /// `2018-10-11 04:55:07`
    DateTime,
    OneOf(&'static [&'static str]),
    V4,
    /// A list of texts.
    Texts,
    Zone,
}
use Is::{Date, DateTime, Integer, OneOf, Text, Texts, Truth, V4, Zone};

/// A member of `content`: whether it is a list, which of its own members are required, and what each must be.
struct Shape {
    name: &'static str,
    list: bool,
    required: &'static [&'static str],
    members: &'static [(&'static str, Is)],
}

const fn list(name: &'static str, required: &'static [&'static str], members: &'static [(&'static str, Is)]) -> Shape {
    Shape { name, list: true, required, members }
}

const ARCHITECTURES: &[&str] =
    &["mips", "mips64", "alpha", "sparc", "sparc64", "m68k", "i386", "x86_64", "powerpc", "powerpc64", "arm", "armv7l", "aarch64"];
const BUSES: &[&str] = &["SCSI", "HDC", "IDE", "USB", "1394", "SATA", "SAS", "ATAPI"];
const INTERFACES: &[&str] =
    &["ethernet", "wifi", "infiniband", "aggregate", "alias", "dialup", "loopback", "bridge", "fibrechannel", "bluetooth"];
const STATES: &[&str] = &["running", "blocked", "idle", "paused", "shutdown", "crashed", "dying", "off"];
const GUESTS: &[&str] = &["xen", "virtualbox", "vmware", "qemu", "openvz", "hyperv", "docker", "libvirt", "lxd", "lxc"];

const SHAPES: &[Shape] = &[
    list("antivirus", &[], &[("enabled", Truth), ("name", Text), ("version", Text)]),
    list("batteries", &[], &[("capacity", Integer), ("chemistry", Text), ("manufacturer", Text), ("name", Text), ("serial", Text)]),
    Shape {
        name: "bios",
        list: false,
        required: &[],
        members: &[
            ("assettag", Text),
            ("bdate", Date),
            ("bmanufacturer", Text),
            ("bversion", Text),
            ("enclosureserial", Text),
            ("mmanufacturer", Text),
            ("mmodel", Text),
            ("msn", Text),
            ("secure_boot", OneOf(&["enabled", "disabled", "unsupported"])),
            ("skunumber", Text),
            ("smanufacturer", Text),
            ("smodel", Text),
            ("ssn", Text),
        ],
    },
    list(
        "controllers",
        &[],
        &[
            ("caption", Text),
            ("driver", Text),
            ("manufacturer", Text),
            ("name", Text),
            ("pciclass", Text),
            ("pcislot", Text),
            ("pcisubsystemid", Text),
            ("productid", Text),
            ("rev", Text),
            ("type", Text),
            ("vendorid", Text),
        ],
    ),
    list(
        "cpus",
        &[],
        &[
            ("arch", OneOf(ARCHITECTURES)),
            ("core", Integer),
            ("manufacturer", Text),
            ("name", Text),
            ("speed", Integer),
            ("thread", Integer),
        ],
    ),
    list(
        "databases_services",
        &["name", "version"],
        &[("is_active", Truth), ("manufacturer", Text), ("name", Text), ("port", Integer), ("type", Text), ("version", Text)],
    ),
    list(
        "drives",
        &[],
        &[
            ("encrypt_name", Text),
            ("encrypt_status", OneOf(&["Yes", "No", "Partially"])),
            ("filesystem", Text),
            ("free", Integer),
            ("total", Integer),
            ("type", Text),
            ("volumn", Text),
        ],
    ),
    list("firewalls", &["status"], &[("description", Text), ("status", OneOf(&["on", "off"]))]),
    Shape {
        name: "hardware",
        list: false,
        required: &[],
        members: &[
            ("chassis_type", Text),
            ("datelastloggeduser", Text),
            ("defaultgateway", Text),
            ("dns", Text),
            ("ipaddr", Text),
            ("lastloggeduser", Text),
            ("memory", Integer),
            ("name", Text),
            ("oscomments", Text),
            ("swap", Integer),
            ("uuid", Text),
            ("vmsystem", Text),
            ("workgroup", Text),
        ],
    },
    list("inputs", &[], &[("caption", Text), ("interface", Text), ("manufacturer", Text), ("name", Text), ("type", Text)]),
    list("local_groups", &["id", "name"], &[("id", Text), ("members", Texts), ("name", Text)]),
    list("local_users", &["id"], &[("home", Text), ("id", Text), ("login", Text), ("name", Text), ("shell", Text)]),
    list(
        "memories",
        &[],
        &[
            ("capacity", Integer),
            ("caption", Text),
            ("manufacturer", Text),
            ("model", Text),
            ("numslots", Integer),
            ("serialnumber", Text),
            ("speed", Text),
            ("type", Text),
        ],
    ),
    list("monitors", &[], &[("caption", Text), ("description", Text), ("manufacturer", Text), ("name", Text), ("serial", Text)]),
    list(
        "networks",
        &["description", "status"],
        &[
            ("description", Text),
            ("driver", Text),
            ("ipaddress", V4),
            ("ipaddress6", Text),
            ("ipgateway", Text),
            ("ipmask", V4),
            ("ipmask6", Text),
            ("ipsubnet", V4),
            ("ipsubnet6", Text),
            ("mac", Text),
            ("mtu", Integer),
            ("slaves", Text),
            ("speed", Text),
            ("status", OneOf(&["up", "down"])),
            ("type", OneOf(INTERFACES)),
            ("virtualdev", Truth),
        ],
    ),
    Shape {
        name: "operatingsystem",
        list: false,
        required: &[],
        members: &[
            ("arch", Text),
            ("boot_time", DateTime),
            ("dns_domain", Text),
            ("fqdn", Text),
            ("full_name", Text),
            ("install_date", DateTime),
            ("kernel_name", Text),
            ("kernel_version", Text),
            ("name", Text),
            ("timezone", Zone),
            ("version", Text),
        ],
    },
    list(
        "softwares",
        &["name"],
        &[
            ("arch", Text),
            ("filesize", Integer),
            ("from", Text),
            ("install_date", Date),
            ("name", Text),
            ("publisher", Text),
            ("version", Text),
        ],
    ),
    list("sounds", &[], &[("caption", Text), ("manufacturer", Text), ("name", Text)]),
    list(
        "storages",
        &[],
        &[
            ("description", Text),
            ("disksize", Integer),
            ("firmware", Text),
            ("interface", OneOf(BUSES)),
            ("manufacturer", Text),
            ("model", Text),
            ("name", Text),
            ("serial", Text),
            ("type", Text),
            ("wwn", Text),
        ],
    ),
    list(
        "usbdevices",
        &[],
        &[("caption", Text), ("manufacturer", Text), ("name", Text), ("productid", Text), ("serial", Text), ("vendorid", Text)],
    ),
    list("videos", &[], &[("chipset", Text), ("name", Text), ("pcislot", Text)]),
    list(
        "virtualmachines",
        &["name", "vmtype"],
        &[
            ("image", Text),
            ("mac", Text),
            ("memory", Integer),
            ("name", Text),
            ("status", OneOf(STATES)),
            ("subsystem", Text),
            ("uuid", Text),
            ("vcpu", Integer),
            ("vmtype", OneOf(GUESTS)),
        ],
    ),
];

/// What is wrong with a document.
fn problems(document: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for name in document.as_object().unwrap().keys() {
        if !["action", "content", "deviceid", "itemtype", "partial"].contains(&name.as_str()) {
            problems.push(format!("{name} is not a member of the document"));
        }
    }
    if document["deviceid"].as_str().is_none_or(str::is_empty) || document["content"]["versionclient"].as_str().is_none_or(str::is_empty) {
        problems.push("deviceid and content.versionclient are required".to_owned());
    }
    for (name, value) in document["content"].as_object().unwrap() {
        if name == "versionclient" {
            continue;
        }
        let Some(shape) = SHAPES.iter().find(|shape| shape.name == name) else {
            problems.push(format!("content.{name} is not in the table"));
            continue;
        };
        let one = [value.clone()];
        let entries = if shape.list { value.as_array().map_or(&one[..], Vec::as_slice) } else { &one };
        for entry in entries {
            check(shape, entry, &mut problems);
        }
    }
    problems
}

fn check(shape: &Shape, entry: &Value, problems: &mut Vec<String>) {
    let Some(members) = entry.as_object() else {
        problems.push(format!("content.{} is not as it should be: {entry}", shape.name));
        return;
    };
    for required in shape.required {
        if !members.contains_key(*required) {
            problems.push(format!("content.{}: {required} is required: {entry}", shape.name));
        }
    }
    for (name, value) in members {
        match shape.members.iter().find(|(known, _)| known == name) {
            None => problems.push(format!("content.{}.{name} is not in the table", shape.name)),
            Some((_, is)) if !holds(*is, value) => problems.push(format!("content.{}.{name} may not be {value}", shape.name)),
            Some(_) => {}
        }
    }
}

fn holds(is: Is, value: &Value) -> bool {
    let text = value.as_str();
    // The pattern with a 0 for each digit.
    let like = |pattern: &str| text.is_some_and(|text| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).eq(pattern.chars()));
    match is {
        Text => text.is_some(),
        Integer => value.is_u64() || value.is_i64(),
        Truth => value.is_boolean(),
        Date => like("0000-00-00"),
        DateTime => like("0000-00-00 00:00:00"),
        OneOf(allowed) => text.is_some_and(|text| allowed.contains(&text)),
        V4 => text.is_some_and(|text| text.parse::<std::net::Ipv4Addr>().is_ok()),
        Texts => value.as_array().is_some_and(|entries| entries.iter().all(Value::is_string)),
        Zone => {
            let offset = value["offset"].as_str().unwrap_or_default();
            let digits = offset.strip_prefix(['+', '-']).unwrap_or_default();
            value["name"].is_string() && digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
    }
}

fn two_hours_ahead(_: Timestamp) -> i32 {
    7_200
}

fn recorded(machine: &str) -> BTreeMap<String, Section> {
    let root = Root::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real").join(machine));
    let (windows, attribution) = (Windows::default(), Attribution::default());
    collect::collect(&Machine::new(&root, Timestamp::default(), &windows, Ok(&attribution)), None)
}

#[test]
fn recorded_machines_make_valid_documents() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/real");
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let sections = recorded(entry.file_name().to_str().unwrap());
            let document = document(&Source::new(&sections, Timestamp::default(), two_hours_ahead), false);
            assert_eq!(problems(&document), [""; 0], "{}", entry.path().display());
        }
    }
}

#[test]
fn this_machine_makes_a_valid_document() {
    let (windows, attribution) = (Windows::default(), Attribution::default());
    let root = Root::new("/");
    let sections = collect::collect(&Machine::new(&root, Timestamp::now(), &windows, Ok(&attribution)), None);
    let document = document(&Source::new(&sections, Timestamp::now(), two_hours_ahead), false);
    assert_eq!(problems(&document), [""; 0]);
    assert!(document["content"]["hardware"]["memory"].as_u64() > Some(100));
}

#[test]
fn what_the_recorded_virtual_machine_is() {
    let sections = recorded("debian12-vm");
    let document = document(&Source::new(&sections, Timestamp::default(), two_hours_ahead), true);
    assert_eq!((&document["partial"], &document["itemtype"]), (&json!(true), &json!("Computer")));
    let content = &document["content"];
    assert_eq!(content["operatingsystem"]["name"], "Debian");
    assert_eq!(content["operatingsystem"]["timezone"]["offset"], "+0200");
    let loopback = content["networks"].as_array().unwrap().iter().find(|entry| entry["description"] == "lo").unwrap();
    assert_eq!((&loopback["type"], &loopback["virtualdev"]), (&json!("loopback"), &json!(true)));
    assert!(content["softwares"].as_array().unwrap().iter().any(|software| software["from"] == "deb"));
    assert!(content.get("envs").is_none());
}

#[test]
fn a_machine_that_tells_nothing_makes_a_valid_document() {
    let sections = BTreeMap::new();
    let document = document(&Source::new(&sections, Timestamp::default(), two_hours_ahead), false);
    assert_eq!(problems(&document), [""; 0]);
    assert_eq!(document["content"].as_object().unwrap().keys().collect::<Vec<_>>(), ["versionclient"]);
}

#[test]
fn wrong_documents_are_found() {
    let of = |content: Value| {
        let mut content = content;
        content["versionclient"] = "x".into();
        problems(&json!({ "deviceid": "a", "content": content }))
    };
    let cases = [
        json!({ "networks": [{ "description": "eth0" }] }),
        json!({ "networks": [{ "description": "eth0", "status": "Up" }] }),
        json!({ "bios": { "bdate": "05/17/2024" } }),
        json!({ "operatingsystem": { "boot_time": "2024-05-17T10:00:00Z" } }),
        json!({ "softwares": [{ "name": "a", "filesize": "12" }] }),
        json!({ "softwares": { "name": 1 } }),
        json!({ "envs": [] }),
    ];
    for case in cases {
        assert_ne!(of(case.clone()), [""; 0], "{case}");
    }
    assert_eq!(of(json!({})), [""; 0]);
}

#[test]
fn dates_are_local() {
    let sections = BTreeMap::new();
    let source = Source::new(&sections, Timestamp::default(), two_hours_ahead);
    let at = Timestamp::from_millis(1_700_000_000_000);
    assert_eq!((source.date_time(at), source.date(at)), ("2023-11-15 00:13:20".to_owned(), "2023-11-15".to_owned()));
    let west = Source::new(&sections, Timestamp::default(), |_| -12_600);
    assert_eq!((source.zone(), west.zone()), ("+0200".to_owned(), "-0330".to_owned()));
}
