//! `virtualmachines`: guests that this machine hosts.

use rollcall_shared::wire::v1::VirtualGuests;
use serde_json::{Value, json};

use super::{Source, mebibytes};

pub(super) fn guests(source: &Source<'_>) -> Option<Value> {
    let guests: VirtualGuests = source.get()?;
    let guests = guests.guests.into_iter().filter(|guest| !guest.name.trim().is_empty()).filter_map(|guest| {
        Some(json!({
            "image": guest.image,
            "mac": guest.macs.join("/"),
            "memory": guest.memory_bytes.map(mebibytes),
            "name": guest.name,
            "status": guest.running.map(|running| if running { "running" } else { "off" }),
            "subsystem": guest.technology,
            "uuid": guest.uuid.or(guest.id),
            "vcpu": guest.cpus,
            "vmtype": kind(&guest.technology)?,
        }))
    });
    Some(guests.collect())
}

/// The kinds that the format lists, of which one is required. Containers of any maker are Docker's kind there.
fn kind(technology: &str) -> Option<&'static str> {
    match technology {
        "libvirt" => Some("libvirt"),
        "proxmox_qemu" => Some("qemu"),
        "docker" | "podman" | "containerd" => Some("docker"),
        "lxc" | "proxmox_lxc" => Some("lxc"),
        "lxd" | "incus" => Some("lxd"),
        _ => None,
    }
}
