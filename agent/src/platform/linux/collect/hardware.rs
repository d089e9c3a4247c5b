//! The machine as its maker describes it.

use rollcall_shared::wire::v1::{Board, Chassis, Firmware, Hardware};

use super::{Machine, Outcome};
use crate::parse::smbios;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Hardware> {
    if let Some(found) = machine.smbios() {
        let mut hardware = found.hardware.clone();
        if let Some(firmware) = &mut hardware.firmware {
            // The running system knows better than the table how it was started.
            firmware.uefi = Some(machine.root.exists("/sys/firmware/efi"));
        }
        return Outcome::Data(hardware);
    }
    let id = machine.root.names("/sys/class/dmi/id");
    match id {
        Ok(_) => {
            let missing = "the SMBIOS tables could not be read (they need root); serial numbers, modules and slots may be missing";
            Outcome::Partial(from_sysfs(machine), missing.to_owned())
        }
        Err(_) => match device_tree(machine) {
            Some(hardware) => Outcome::Data(hardware),
            None => Outcome::NotPresent("no SMBIOS tables, no /sys/class/dmi/id and no device tree".to_owned()),
        },
    }
}

fn from_sysfs(machine: &Machine<'_>) -> Hardware {
    let dmi = |name| machine.dmi(name);
    Hardware {
        manufacturer: dmi("sys_vendor"),
        product_name: dmi("product_name"),
        version: dmi("product_version"),
        serial: dmi("product_serial"),
        uuid: dmi("product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
        sku: dmi("product_sku"),
        family: dmi("product_family"),
        chassis: Some(Chassis {
            form: dmi("chassis_type").and_then(|code| smbios::chassis_form(code.parse().ok()?)).map(str::to_owned),
            manufacturer: dmi("chassis_vendor"),
            serial: dmi("chassis_serial"),
            asset_tag: dmi("chassis_asset_tag"),
        }),
        board: Some(Board {
            manufacturer: dmi("board_vendor"),
            product_name: dmi("board_name"),
            version: dmi("board_version"),
            serial: dmi("board_serial"),
        }),
        firmware: Some(Firmware {
            vendor: dmi("bios_vendor"),
            version: dmi("bios_version"),
            date: dmi("bios_date").and_then(|date| smbios::iso_date(&date)),
            uefi: Some(machine.root.exists("/sys/firmware/efi")),
        }),
    }
}

/// Single-board computers have no SMBIOS; their device tree names model and serial number.
fn device_tree(machine: &Machine<'_>) -> Option<Hardware> {
    let product_name = machine.root.text("/proc/device-tree/model")?;
    Some(Hardware { product_name: Some(product_name), serial: machine.root.text("/proc/device-tree/serial-number"), ..Hardware::default() })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn what_is_missing_is_told() {
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
        let files = [
            ("/sys/class/dmi/id/sys_vendor", "ACME\n"),
            ("/sys/class/dmi/id/chassis_type", "10\n"),
            ("/sys/class/dmi/id/bios_date", "05/17/2024\n"),
        ];
        let Outcome::Partial(found, _) = collect_one(&files, collect) else { panic!("not partial") };
        assert_eq!(found.manufacturer.as_deref(), Some("ACME"));
        assert_eq!(found.chassis.unwrap().form.as_deref(), Some("notebook"));
        assert_eq!(found.firmware.unwrap().date.as_deref(), Some("2024-05-17"));
        let Outcome::Data(found) = collect_one(&[("/proc/device-tree/model", "Board 4\0")], collect) else { panic!("no data") };
        assert_eq!(found.product_name.as_deref(), Some("Board 4"));
    }
}
