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
    list("cameras", &[], &[("model", Text)]),
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
        "logical_volumes",
        &["lv_name", "lv_uuid", "size"],
        &[("lv_name", Text), ("lv_uuid", Text), ("size", Integer), ("vg_name", Text), ("vg_uuid", Text)],
    ),
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
        "physical_volumes",
        &["device", "format", "free", "pv_pe_count", "pv_uuid", "size"],
        &[
            ("device", Text),
            ("format", OneOf(&["lvm2"])),
            ("free", Integer),
            ("pe_size", Integer),
            ("pv_pe_count", Integer),
            ("pv_uuid", Text),
            ("size", Integer),
            ("vg_uuid", Text),
        ],
    ),
    list("ports", &["type"], &[("caption", Text), ("description", Text), ("name", Text), ("type", Text)]),
    list(
        "powersupplies",
        &[],
        &[
            ("hotreplaceable", Truth),
            ("location", Text),
            ("manufacturer", Text),
            ("model", Text),
            ("name", Text),
            ("partnum", Text),
            ("plugged", Truth),
            ("power_max", Integer),
            ("serialnumber", Text),
        ],
    ),
    list(
        "printers",
        &["name"],
        &[
            ("comment", Text),
            ("description", Text),
            ("driver", Text),
            ("name", Text),
            ("network", Truth),
            ("port", Text),
            ("serial", Text),
            ("shared", Truth),
        ],
    ),
    list(
        "slots",
        &["description", "name"],
        &[("description", Text), ("designation", Text), ("name", Text), ("status", OneOf(&["free", "used"]))],
    ),
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
    list("users", &[], &[("login", Text)]),
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
    list(
        "volume_groups",
        &["free", "lv_count", "pv_count", "size", "vg_extent_size", "vg_name", "vg_uuid"],
        &[
            ("free", Integer),
            ("lv_count", Integer),
            ("pv_count", Integer),
            ("size", Integer),
            ("vg_extent_size", Text),
            ("vg_name", Text),
            ("vg_uuid", Text),
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
fn volumes_slots_ports_and_peripherals() {
    use rollcall_shared::wire::v1::{
        Accounts, Camera, Hardware, LogicalVolume, Login, OperatingSystem, Peripherals, PhysicalVolume, Port, PowerSupply, Printer,
        SectionStatus, Slot, Storage, User, VolumeGroup,
    };
    fn add<T: SectionData>(sections: &mut BTreeMap<String, Section>, data: &T) {
        let section = Section::new(SectionStatus::Ok, Timestamp::default(), 0, Some(data)).unwrap();
        sections.insert(T::NAME.to_owned(), section);
    }
    let text = |text: &str| Some(text.to_owned());
    let physical = |uuid: &str, free_extents| PhysicalVolume {
        uuid: text(uuid),
        device: text("/dev/sda3"),
        size_bytes: Some(1_073_741_824),
        extents: Some(255),
        free_extents,
    };
    let logical = |name: &str, uuid| LogicalVolume { name: name.into(), uuid, layout: None, size_bytes: Some(419_430_400) };
    let group = |name: &str, free| VolumeGroup {
        name: name.into(),
        uuid: text("VG"),
        extent_bytes: Some(4_194_304),
        physical_volumes: vec![physical("PV", free)],
        logical_volumes: vec![logical("root", text("LV")), logical("nameless", None)],
    };
    let mut sections = BTreeMap::new();
    add(&mut sections, &Storage { volume_groups: vec![group("vg0", Some(55)), group("unknown", None)], ..Storage::default() });
    let slot = |designation, kind| Slot { designation, kind, in_use: Some(true), ..Slot::default() };
    let port = |kind| Port { internal_name: text("J1"), connector: text("RJ-45"), kind, ..Port::default() };
    add(
        &mut sections,
        &Hardware {
            slots: vec![slot(text("PCIE1"), text("PCI Express x16")), slot(None, text("PCI"))],
            ports: vec![port(text("Network")), port(None)],
            ..Hardware::default()
        },
    );
    let printer = Printer { name: "office".into(), uri: text("ipp://10.0.0.9/"), host: text("10.0.0.9"), ..Printer::default() };
    let supply = |present| PowerSupply { name: "PSU1".into(), max_watts: Some(750), present, ..PowerSupply::default() };
    add(
        &mut sections,
        &Peripherals {
            cameras: vec![Camera { name: "Integrated Camera".into(), ..Camera::default() }],
            printers: vec![printer],
            power_supplies: vec![supply(Some(true)), supply(Some(false))],
            ..Peripherals::default()
        },
    );
    add(&mut sections, &OperatingSystem { booted_at: Some(Timestamp::from_millis(1_000)), ..OperatingSystem::default() });
    let user = |name: &str, at| User {
        name: name.into(),
        last_login: Some(Login { at: Timestamp::from_millis(at), source: "wtmp".into(), ..Login::default() }),
        ..User::default()
    };
    add(&mut sections, &Accounts { users: vec![user("now", 2_000), user("long-ago", 999)], ..Accounts::default() });

    let document = document(&Source::new(&sections, Timestamp::default(), two_hours_ahead), true);
    assert_eq!(problems(&document), [""; 0]);
    let content = &document["content"];
    let volume = json!({ "lv_name": "root", "lv_uuid": "LV", "size": 419, "vg_name": "vg0", "vg_uuid": "VG" });
    assert_eq!(content["logical_volumes"][0], volume);
    assert_eq!(content["logical_volumes"].as_array().map(Vec::len), Some(2));
    let physical = json!({
        "device": "/dev/sda3", "format": "lvm2", "free": 230, "pe_size": 4, "pv_pe_count": 255, "pv_uuid": "PV", "size": 1_073, "vg_uuid": "VG"
    });
    assert_eq!(content["physical_volumes"], json!([physical]));
    let group = json!({
        "free": 230, "lv_count": 2, "pv_count": 1, "size": 1_069, "vg_extent_size": "4.19", "vg_name": "vg0", "vg_uuid": "VG"
    });
    assert_eq!(content["volume_groups"], json!([group]));
    assert_eq!(content["slots"], json!([{ "description": "PCI Express x16", "name": "PCIE1", "status": "used" }]));
    assert_eq!(content["ports"], json!([{ "caption": "RJ-45", "description": "J1", "name": "J1", "type": "Network" }]));
    assert_eq!(content["printers"], json!([{ "name": "office", "network": true, "port": "ipp://10.0.0.9/" }]));
    assert_eq!(content["cameras"], json!([{ "model": "Integrated Camera" }]));
    assert_eq!(content["powersupplies"], json!([{ "name": "PSU1", "power_max": 750 }]));
    assert_eq!(content["users"], json!([{ "login": "now" }]));
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
