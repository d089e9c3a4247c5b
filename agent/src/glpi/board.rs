//! `slots` and `ports` of the main board.

use rollcall_shared::wire::v1::Hardware;
use serde_json::{Value, json};

use super::Source;

pub(super) fn slots(source: &Source<'_>) -> Option<Value> {
    let hardware: Hardware = source.get()?;
    // Name and kind are required there.
    let slots = hardware.slots.into_iter().filter_map(|slot| {
        let status = slot.in_use.map(|used| if used { "used" } else { "free" });
        Some(json!({ "description": slot.kind?, "designation": slot.bus_address, "name": slot.designation?, "status": status }))
    });
    Some(slots.collect())
}

pub(super) fn ports(source: &Source<'_>) -> Option<Value> {
    let hardware: Hardware = source.get()?;
    let ports = hardware.ports.into_iter().filter_map(|port| {
        let name = port.external_name.or_else(|| port.internal_name.clone());
        Some(json!({ "caption": port.connector, "description": port.internal_name, "name": name, "type": port.kind? }))
    });
    Some(ports.collect())
}
