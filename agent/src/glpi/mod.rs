//! The inventory as GLPI's public inventory JSON format has it, so that this agent can stand in for GLPI's own.
//!
//! One file an area, one line in [`AREAS`]. What that format has no field for is not in it, and what this agent does not
//! know is left out: never guessed, never empty. Environment variables, which that format has room for, are not sent.

mod board;
mod devices;
mod hardware;
mod network;
mod operating_system;
mod peripherals;
mod processors;
mod security;
mod services;
mod software;
mod storage;
mod users;
mod virtual_machines;
mod volumes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rollcall_shared::{
    Timestamp,
    wire::v1::{Identity, Section, SectionData},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::client::VERSION_TEXT;

/// What the document is made from.
pub struct Source<'a> {
    sections: &'a BTreeMap<String, Section>,
    /// How far local time is ahead of UTC at an instant, seconds: that format has local times without a zone.
    offset: fn(Timestamp) -> i32,
    /// When it was collected.
    now: Timestamp,
}

/// One member of `content`.
struct Area {
    name: &'static str,
    map: fn(&Source<'_>) -> Option<Value>,
}

const AREAS: &[Area] = &[
    Area { name: "antivirus", map: security::antivirus },
    Area { name: "batteries", map: devices::batteries },
    Area { name: "bios", map: hardware::bios },
    Area { name: "cameras", map: peripherals::cameras },
    Area { name: "controllers", map: devices::controllers },
    Area { name: "cpus", map: processors::cpus },
    Area { name: "databases_services", map: services::databases },
    Area { name: "drives", map: storage::drives },
    Area { name: "firewalls", map: security::firewalls },
    Area { name: "hardware", map: hardware::hardware },
    Area { name: "inputs", map: devices::inputs },
    Area { name: "local_groups", map: users::groups },
    Area { name: "local_users", map: users::local_users },
    Area { name: "logical_volumes", map: volumes::logical },
    Area { name: "memories", map: processors::memories },
    Area { name: "monitors", map: devices::monitors },
    Area { name: "networks", map: network::networks },
    Area { name: "operatingsystem", map: operating_system::operating_system },
    Area { name: "physical_volumes", map: volumes::physical },
    Area { name: "ports", map: board::ports },
    Area { name: "powersupplies", map: peripherals::power_supplies },
    Area { name: "printers", map: peripherals::printers },
    Area { name: "slots", map: board::slots },
    Area { name: "softwares", map: software::softwares },
    Area { name: "sounds", map: devices::sounds },
    Area { name: "storages", map: storage::storages },
    Area { name: "usbdevices", map: devices::usb },
    Area { name: "users", map: users::users },
    Area { name: "videos", map: devices::videos },
    Area { name: "virtualmachines", map: virtual_machines::guests },
    Area { name: "volume_groups", map: volumes::groups_of_volumes },
];

impl<'a> Source<'a> {
    /// From these sections, collected at `now`.
    pub fn new(sections: &'a BTreeMap<String, Section>, now: Timestamp, offset: fn(Timestamp) -> i32) -> Self {
        Self { sections, offset, now }
    }

    /// A section's data; `None` where it was not collected, or has none.
    fn get<T: SectionData + DeserializeOwned>(&self) -> Option<T> {
        self.sections.get(T::NAME)?.parse().ok().flatten()
    }

    /// `2018-10-11 04:55:07`, local.
    fn date_time(&self, at: Timestamp) -> String {
        let local = at.plus_millis(i64::from((self.offset)(at)) * 1_000).to_string();
        local.get(..19).unwrap_or(&local).replace('T', " ")
    }

    /// `2018-10-11`, local.
    fn date(&self, at: Timestamp) -> String {
        self.date_time(at).chars().take(10).collect()
    }

    /// How far local time is ahead of UTC now: `+0200`.
    fn zone(&self) -> String {
        let minutes = (self.offset)(self.now) / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        format!("{sign}{:02}{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)
    }
}

/// The document. `partial` says that it holds only some of what the machine has: what is not in it may be there.
///
/// A section that could not be read has no member in `content`.
pub fn document(source: &Source<'_>, partial: bool) -> Value {
    let mut content = Map::new();
    for area in AREAS {
        if let Some(value) = (area.map)(source).and_then(present) {
            content.insert(area.name.to_owned(), value);
        }
    }
    let client = format!("Rollcall-Agent_v{VERSION_TEXT}");
    content.insert("versionclient".to_owned(), client.into());
    let mut document = json!({
        "action": "inventory",
        "content": content,
        "deviceid": device_id(source),
        "itemtype": "Computer",
    });
    if partial && let Some(members) = document.as_object_mut() {
        members.insert("partial".to_owned(), true.into());
    }
    document
}

/// The same at every run without being stored: the id made at installation, else the firmware's, else the name.
fn device_id(source: &Source<'_>) -> String {
    let identity: Identity = source.get().unwrap_or_default();
    let id = identity.machine_id.or(identity.smbios_uuid).or(Some(identity.hostname)).filter(|id| !id.is_empty());
    format!("rollcall-{}", id.as_deref().unwrap_or("unknown"))
}

/// Without members that are null or empty; `None` where nothing is left.
fn present(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::Array(entries) => {
            let entries: Vec<_> = entries.into_iter().filter_map(present).collect();
            (!entries.is_empty()).then(|| entries.into())
        }
        Value::Object(members) => {
            let members: Map<_, _> = members.into_iter().filter_map(|(name, value)| Some((name, present(value)?))).collect();
            (!members.is_empty()).then(|| members.into())
        }
        other => Some(other),
    }
}

/// What that format calls MB of memory and of file systems.
fn mebibytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// What that format calls MB of disks.
fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}
