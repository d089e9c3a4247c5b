//! Hardware and system, section by section as the machine's agent last told it.

use std::collections::HashMap;

use askama::Template;
use axum::response::Response;
use rollcall_shared::{
    CiId, DocumentId, Timestamp,
    wire::{
        limits,
        v1::{
            Cpu, Disks, FileSystems, Hardware, Interface, InventoryDocument, Memory, Network, OperatingSystem, SectionData, SectionStatus,
        },
    },
};
use serde::de::DeserializeOwned;

use super::{Head, no_such_item};
use crate::{
    store::{Inventory, SharedStore, StoreError},
    web::{
        format::{When, absolute, bytes, count, relative},
        problem::Problem,
        visitor::{Part, Shell, Visitor},
    },
};

#[derive(Template)]
#[template(path = "item_hardware.html")]
struct Page {
    shell: Shell,
    head: Head,
    sections: Vec<Section>,
    problems: Vec<String>,
}

/// A section ready to show: single facts, then a table.
struct Section {
    id: &'static str,
    title: &'static str,
    collected: When,
    facts: Vec<(&'static str, String)>,
    /// Name, and whether it holds numbers.
    columns: &'static [(&'static str, bool)],
    rows: Vec<Vec<String>>,
    nothing: &'static str,
}

/// What a section's data turns into.
#[derive(Default)]
struct Content {
    facts: Vec<(&'static str, String)>,
    columns: &'static [(&'static str, bool)],
    rows: Vec<Vec<String>>,
}

pub(super) async fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    let agent = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        ci.agent.filter(|agent| estate.machine_of(*agent).is_some_and(|machine| machine.id == id))
    };
    let inventory = match agent {
        Some(agent) => visitor.app.store.inventories(&[agent]).await?.into_iter().next(),
        None => None,
    };
    let now = visitor.now;
    let mut sections = Vec::new();
    let mut problems = Vec::new();
    if let Some(inventory) = &inventory {
        let documents = read_documents(&visitor.app.store, inventory).await?;
        problems = problems_of(inventory, now);
        let reader = Reader { inventory, documents: &documents, now };
        sections.extend(reader.section("system", "Operating system", "Nothing was told about it.", system));
        sections.extend(reader.section("hardware", "Machine", "This machine has no SMBIOS: many virtual machines have none.", hardware));
        sections.extend(reader.section("cpu", "Processors", "Nothing was told about them.", cpu));
        sections.extend(reader.section("memory", "Memory", "Nothing was told about it.", memory));
        sections.extend(reader.section("disks", "Disks", "This machine has no disk of its own.", disks));
        sections.extend(reader.section("file-systems", "File systems", "None that holds files of a disk or a server.", file_systems));
        sections.extend(reader.section("network", "Network", "No interface.", network));
    }
    let shell = visitor.shell(Part::Inventory);
    let page = {
        let estate = visitor.app.estate();
        let ci = estate.ci(id).ok_or_else(no_such_item)?;
        Page { shell, head: Head::new(&estate, ci, "hardware", now), sections, problems }
    };
    Ok(visitor.page(&page))
}

/// The documents in which the shown sections stand.
async fn read_documents(store: &SharedStore, inventory: &Inventory) -> Result<HashMap<DocumentId, InventoryDocument>, StoreError> {
    const SHOWN: [&str; 7] =
        [OperatingSystem::NAME, Hardware::NAME, Cpu::NAME, Memory::NAME, Disks::NAME, FileSystems::NAME, Network::NAME];
    let mut documents = HashMap::new();
    for record in SHOWN.iter().filter_map(|name| inventory.sections.get(*name)) {
        if documents.contains_key(&record.document) {
            continue;
        }
        let Some(compressed) = store.document(record.document).await? else { continue };
        let json = zstd::bulk::decompress(&compressed, limits::INVENTORY.bytes as usize).ok();
        match json.and_then(|json| serde_json::from_slice(&json).ok()) {
            Some(document) => drop(documents.insert(record.document, document)),
            None => tracing::error!(document = %record.document, "a stored document cannot be read"),
        }
    }
    Ok(documents)
}

/// What could not be read or used, so that what is shown of it may be old.
fn problems_of(inventory: &Inventory, now: Timestamp) -> Vec<String> {
    let describe = |(name, record): (&String, &crate::store::SectionRecord)| {
        let name = name.replace('_', " ");
        let what = match (&record.status, &record.refused) {
            (_, Some(reason)) => format!("was not used: {reason}"),
            (SectionStatus::Partial { reason }, _) => format!("was read in part: {reason}"),
            (SectionStatus::Failed { reason }, _) => format!("could not be read, what is shown is what was known before: {reason}"),
            (SectionStatus::Ok | SectionStatus::Absent { .. }, None) => return None,
        };
        Some(format!("Section “{name}” ({}) {what}", relative(record.collected_at, now)))
    };
    inventory.sections.iter().filter_map(describe).collect()
}

struct Reader<'a> {
    inventory: &'a Inventory,
    documents: &'a HashMap<DocumentId, InventoryDocument>,
    now: Timestamp,
}

impl Reader<'_> {
    /// A section as it was last sent; `None` if it never was.
    fn section<T: SectionData + DeserializeOwned>(
        &self,
        id: &'static str,
        title: &'static str,
        nothing: &'static str,
        show: fn(T, Timestamp) -> Content,
    ) -> Option<Section> {
        let record = self.inventory.sections.get(T::NAME)?;
        let sent = self.documents.get(&record.document).and_then(|document| document.sections.get(T::NAME));
        let data: Option<T> = sent.and_then(|section| section.parse().ok().flatten());
        let Content { facts, columns, rows } = data.map(|data| show(data, self.now)).unwrap_or_default();
        Some(Section { id, title, collected: When::new(record.collected_at, self.now), facts, columns, rows, nothing })
    }
}

/// The facts that have a value.
fn present<const N: usize>(facts: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    facts.into_iter().filter_map(|(label, value)| Some((label, value.filter(|value| !value.is_empty())?))).collect()
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn yes_no(value: bool) -> String {
    (if value { "yes" } else { "no" }).to_owned()
}

fn instant(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", absolute(at), relative(at, now))
}

fn system(data: OperatingSystem, now: Timestamp) -> Content {
    let facts = present([
        ("System", data.name.or(data.id)),
        ("Version", data.version),
        ("Kernel", data.kernel_release),
        ("Kernel build", data.kernel_version),
        ("Architecture", data.architecture),
        ("Time zone", data.timezone),
        ("Last start", data.booted_at.map(|at| instant(at, now))),
        ("Installed", data.installed_at.map(|at| instant(at, now))),
    ]);
    Content { facts, ..Content::default() }
}

fn hardware(data: Hardware, _: Timestamp) -> Content {
    let chassis = data.chassis.unwrap_or_default();
    let board = data.board.unwrap_or_default();
    let firmware = data.firmware.unwrap_or_default();
    let joined = |parts: [Option<String>; 3]| Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    let facts = present([
        ("Manufacturer", data.manufacturer),
        ("Model", data.product_name),
        ("Version", data.version),
        ("Family", data.family),
        ("Serial number", data.serial),
        ("Stock keeping unit", data.sku),
        ("SMBIOS UUID", data.uuid),
        ("Form", chassis.form.map(|form| form.replace('_', " "))),
        ("Asset tag", chassis.asset_tag),
        ("Main board", joined([board.manufacturer, board.product_name, board.version])),
        ("Main board serial", board.serial),
        ("Firmware", joined([firmware.vendor, firmware.version, firmware.date])),
        ("Started by UEFI", firmware.uefi.map(yes_no)),
    ]);
    Content { facts, ..Content::default() }
}

fn cpu(data: Cpu, _: Timestamp) -> Content {
    let rows = data.sockets.into_iter().map(|socket| {
        vec![
            text(socket.model.or(socket.designation)),
            text(socket.manufacturer),
            text(socket.cores),
            text(socket.threads),
            socket.max_mhz.map_or_else(String::new, |mhz| format!("{} MHz", count(u64::from(mhz)))),
        ]
    });
    Content {
        facts: present([
            ("Cores", data.cores.map(|cores| cores.to_string())),
            ("Threads", data.threads.map(|threads| threads.to_string())),
        ]),
        columns: &[("Model", false), ("Manufacturer", false), ("Cores", true), ("Threads", true), ("Highest clock", true)],
        rows: rows.collect(),
    }
}

fn memory(data: Memory, _: Timestamp) -> Content {
    let rows = data.modules.into_iter().map(|module| {
        vec![
            text(module.locator),
            bytes(module.size_bytes),
            text(module.kind),
            module.speed_mts.map_or_else(String::new, |speed| format!("{} MT/s", count(u64::from(speed)))),
            text(module.manufacturer),
            text(module.part_number),
            text(module.serial),
        ]
    });
    Content {
        facts: present([
            ("Total", data.total_bytes.map(bytes)),
            ("Swap", data.swap_total_bytes.map(bytes)),
            ("Slots", data.slots.map(|slots| slots.to_string())),
        ]),
        columns: &[
            ("Slot", false),
            ("Size", true),
            ("Type", false),
            ("Speed", true),
            ("Manufacturer", false),
            ("Part", false),
            ("Serial number", false),
        ],
        rows: rows.collect(),
    }
}

fn disks(data: Disks, _: Timestamp) -> Content {
    let rows = data.disks.into_iter().map(|disk| {
        let kind = match disk.rotational {
            Some(true) => "turning",
            Some(false) => "solid state",
            None => "",
        };
        vec![disk.name, text(disk.model), bytes(disk.size_bytes), text(disk.bus), kind.to_owned(), text(disk.serial), text(disk.firmware)]
    });
    Content {
        columns: &[
            ("Name", false),
            ("Model", false),
            ("Size", true),
            ("Attached by", false),
            ("Kind", false),
            ("Serial number", false),
            ("Firmware", false),
        ],
        rows: rows.collect(),
        ..Content::default()
    }
}

fn file_systems(data: FileSystems, _: Timestamp) -> Content {
    let rows = data.file_systems.into_iter().map(|one| {
        vec![
            one.mount_point,
            one.device,
            one.kind,
            one.size_bytes.map_or_else(String::new, bytes),
            one.used_percent.map_or_else(String::new, |used| format!("≤ {used} %")),
            yes_no(one.read_only),
        ]
    });
    Content {
        columns: &[("Mounted at", false), ("Device", false), ("Type", false), ("Size", true), ("Used", true), ("Read-only", false)],
        rows: rows.collect(),
        ..Content::default()
    }
}

fn network(data: Network, _: Timestamp) -> Content {
    let list = |values: Vec<String>| (!values.is_empty()).then(|| values.join(", "));
    let gateways = data.gateways.iter().map(|gateway| format!("{} by {}", gateway.address, gateway.interface)).collect();
    Content {
        facts: present([
            ("Default gateway", list(gateways)),
            ("Name servers", list(data.resolvers.iter().map(ToString::to_string).collect())),
            ("Search domains", list(data.search_domains)),
        ]),
        columns: &[("Interface", false), ("Addresses", false), ("MAC address", false), ("Kind", false), ("State", false), ("Speed", true)],
        rows: data.interfaces.into_iter().map(interface).collect(),
    }
}

fn interface(one: Interface) -> Vec<String> {
    let addresses: Vec<String> = one.addresses.iter().map(|address| format!("{}/{}", address.address, address.prefix_length)).collect();
    let speed = one.speed_mbps.map_or_else(String::new, |speed| format!("{} Mbit/s", count(u64::from(speed))));
    let state = if one.up { "up" } else { "down" };
    vec![one.name, addresses.join(", "), text(one.mac), one.kind, state.to_owned(), speed]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rollcall_shared::{AgentId, Digest, wire::v1::Exchange};
    use uuid::Uuid;

    use super::*;
    use crate::store::SectionRecord;

    #[test]
    fn what_was_not_read_is_told_and_what_was_is_not() {
        let section = |status, refused: Option<&str>| SectionRecord {
            digest: Digest::of(b""),
            document: DocumentId(Uuid::nil()),
            status,
            collected_at: Timestamp::from_millis(0),
            refused: refused.map(str::to_owned),
        };
        let sections = BTreeMap::from([
            ("cpu".to_owned(), section(SectionStatus::Ok, None)),
            ("disks".to_owned(), section(SectionStatus::Failed { reason: "no permission".to_owned() }, None)),
            ("file_systems".to_owned(), section(SectionStatus::Ok, Some("too many"))),
        ]);
        let inventory = Inventory {
            agent: AgentId(Uuid::nil()),
            exchange: Exchange { counter: 0, nonce: Uuid::nil() },
            root: Digest::of(b""),
            last_seen: Timestamp::from_millis(0),
            clock_skew_ms: 0,
            agent_version: String::new(),
            dropped_documents: 0,
            superseded_inventories: 0,
            sections,
        };
        let problems = problems_of(&inventory, Timestamp::from_millis(3_600_000));
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("“disks” (1 hour ago)") && problems[0].ends_with("no permission"), "{problems:?}");
        assert!(problems[1].contains("“file systems”") && problems[1].ends_with("too many"), "{problems:?}");
    }
}
