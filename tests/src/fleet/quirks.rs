//! Identities the way real fleets have them: placeholders, shared docking stations, clones.

use rand::{SeedableRng, rngs::StdRng};

use super::{Machine, hardware::Kind, machine::mac};

/// Serial numbers and UUIDs that makers leave in: they identify nothing.
const PLACEHOLDERS: [(&str, &str); 4] = [
    ("To be filled by O.E.M.", "03000200-0400-0500-0006-000700080009"),
    ("Default string", "00000000-0000-0000-0000-000000000000"),
    ("System Serial Number", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("0", "00000000-0000-0000-0000-000000000000"),
];

/// Every `nth` desktop has a placeholder for a serial number and UUID.
pub fn placeholder_serials(machines: &mut [Machine], nth: usize) {
    let desktops = machines.iter_mut().filter(|machine| machine.kind == Kind::Desktop);
    for (index, machine) in desktops.step_by(nth.max(1)).enumerate() {
        let (serial, uuid) = PLACEHOLDERS[index % PLACEHOLDERS.len()];
        machine.identity.serial = Some(serial.into());
        machine.identity.smbios_uuid = Some(uuid.into());
        machine.hardware.serial = Some(serial.into());
        machine.hardware.uuid = Some(uuid.into());
    }
}

/// Laptops in groups of `share` report the two network ports of the docking station that they all use.
pub fn docking_stations(machines: &mut [Machine], share: usize, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut laptops: Vec<&mut Machine> = machines.iter_mut().filter(|machine| machine.kind == Kind::Laptop).collect();
    for group in laptops.chunks_mut(share.max(1)) {
        // Docking stations carry their own makers' prefixes.
        let ports = [mac("00:50:b6", &mut rng), mac("00:50:b6", &mut rng)];
        for machine in group {
            machine.identity.permanent_macs.extend(ports.clone());
            machine.identity.permanent_macs.sort();
        }
    }
}

/// A clone of a machine: another host name, address and agent, but the same SMBIOS UUID and machine id, as from a copied image.
#[must_use]
pub fn clone_of(machine: &Machine, hostname: &str) -> Machine {
    let mut copy = machine.clone();
    copy.identity.hostname = hostname.to_owned();
    copy.identity.fqdn = None;
    copy
}
