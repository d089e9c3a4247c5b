//! Memory and its modules.

use rollcall_shared::wire::v1::Memory;

use super::{Machine, Outcome};
use crate::parse::key_value;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Memory> {
    let bytes = match machine.root.read("/proc/meminfo") {
        Ok(bytes) => bytes,
        Err(error) => return Outcome::failed("/proc/meminfo", &error),
    };
    let smbios = machine.smbios();
    Outcome::Data(Memory {
        total_bytes: key_value::meminfo(&bytes, "MemTotal"),
        swap_total_bytes: key_value::meminfo(&bytes, "SwapTotal"),
        modules: smbios.map(|smbios| smbios.modules.clone()).unwrap_or_default(),
        slots: smbios.map(|smbios| smbios.slots),
    })
}
