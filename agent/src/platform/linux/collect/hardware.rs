//! The machine as its maker describes it.

use rollcall_shared::wire::v1::{Board, Chassis, Firmware, Hardware, ManagementController, Tpm};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::{cpuinfo, smbios},
};

const EFI: &str = "/sys/firmware/efi";
const TPM: &str = "/sys/class/tpm/tpm0";

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Hardware> {
    let root = machine.root;
    let (mut hardware, missing) = match machine.smbios() {
        Some(found) => (found.hardware.clone(), None),
        None if root.exists("/sys/class/dmi/id") => {
            let missing = "the SMBIOS tables could not be read (they need root); serial numbers, modules and slots may be missing";
            (from_sysfs(machine), Some(missing))
        }
        None => match board(machine) {
            Some(hardware) => (hardware, None),
            None if root.exists(TPM) || root.exists(EFI) => (Hardware::default(), None),
            None => return Outcome::NotPresent("no SMBIOS tables, no /sys/class/dmi/id, no device tree, no EFI and no TPM".to_owned()),
        },
    };
    if hardware.firmware.is_some() || root.exists(EFI) {
        let firmware = hardware.firmware.get_or_insert_default();
        // The running system knows better than the table how it was started.
        firmware.uefi = Some(root.exists(EFI));
        firmware.secure_boot = efi_flag(root, "SecureBoot");
        firmware.setup_mode = efi_flag(root, "SetupMode");
    }
    hardware.tpm = tpm(root, hardware.tpm);
    hardware.management_controller = management_controller(root, hardware.management_controller);
    match missing {
        Some(missing) => Outcome::Partial(hardware, missing.to_owned()),
        None => Outcome::Data(hardware),
    }
}

/// A flag that the firmware keeps in one of its global variables: four bytes of attributes, then the value.
pub(super) fn efi_flag(root: &Root, name: &str) -> Option<bool> {
    match root.read(&format!("{EFI}/efivars/{name}-8be4df61-93ca-11d2-aa0d-00e098032b8c")).ok()?[..] {
        [_, _, _, _, value @ (0 | 1)] => Some(value == 1),
        _ => None,
    }
}

/// What the kernel drives is there; of the rest firmware knows more.
fn tpm(root: &Root, described: Option<Tpm>) -> Option<Tpm> {
    if !root.exists(TPM) {
        return described;
    }
    let mut tpm = described.unwrap_or_default();
    let text = |file: &str| root.text(&format!("{TPM}/{file}"));
    // Version 1.2 has no file of its own in older kernels but one that lists its abilities: "TCG version: 1.2".
    let of_the_first = || text("device/caps")?.split("TCG version:").nth(1)?.split_whitespace().next().map(str::to_owned);
    let running = match text("tpm_version_major").as_deref() {
        Some("2") => Some("2.0".to_owned()),
        Some("1") => Some("1.2".to_owned()),
        _ => of_the_first(),
    };
    tpm.version = running.or(tpm.version);
    tpm.description = tpm.description.or_else(|| text("device/description"));
    Some(tpm)
}

fn management_controller(root: &Root, described: Option<ManagementController>) -> Option<ManagementController> {
    let names = root.names("/sys/bus/platform/devices").unwrap_or_default();
    let Some(name) = names.iter().find(|name| name.starts_with("ipmi_bmc")) else { return described };
    let text = |file: &str| root.text(&format!("/sys/bus/platform/devices/{name}/{file}"));
    let described = described.unwrap_or_default();
    Some(ManagementController {
        interface: described.interface,
        ipmi_version: text("ipmi_version").or(described.ipmi_version),
        firmware: text("firmware_revision"),
    })
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
            version: dmi("chassis_version"),
            ..Chassis::default()
        }),
        board: Some(Board {
            manufacturer: dmi("board_vendor"),
            product_name: dmi("board_name"),
            version: dmi("board_version"),
            serial: dmi("board_serial"),
            asset_tag: dmi("board_asset_tag"),
            ..Board::default()
        }),
        firmware: Some(Firmware {
            vendor: dmi("bios_vendor"),
            version: dmi("bios_version"),
            date: dmi("bios_date").and_then(|date| smbios::iso_date(&date)),
            release: dmi("bios_release"),
            controller_release: dmi("ec_firmware_release"),
            ..Firmware::default()
        }),
        ..Hardware::default()
    }
}

/// Machines without SMBIOS: the device tree of single-board computers, POWER and Apple names model and serial number, or
/// `/proc/cpuinfo` does.
fn board(machine: &Machine<'_>) -> Option<Hardware> {
    let root = machine.root;
    let tree = |name: &str| root.text(&format!("/proc/device-tree/{name}"));
    let told = root.read("/proc/cpuinfo").map(|bytes| cpuinfo::cpuinfo(&bytes)).unwrap_or_default();
    Some(Hardware {
        product_name: Some(tree("model").or(told.machine)?),
        serial: tree("serial-number").or_else(|| tree("system-id")).or(told.serial),
        ..Hardware::default()
    })
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
        let firmware = found.firmware.unwrap();
        assert_eq!((firmware.date.as_deref(), firmware.uefi, firmware.secure_boot), (Some("2024-05-17"), Some(false), None));
        let Outcome::Data(found) = collect_one(&[("/proc/device-tree/model", "Board 4\0")], collect) else { panic!("no data") };
        assert_eq!(found.product_name.as_deref(), Some("Board 4"));
        let cpuinfo = [("/proc/cpuinfo", "processor : 0\n\nSerial : 10000000e0a1b2c3\nModel : Raspberry Pi 3\n")];
        let Outcome::Data(found) = collect_one(&cpuinfo, collect) else { panic!("no data") };
        assert_eq!((found.product_name.as_deref(), found.serial.as_deref()), (Some("Raspberry Pi 3"), Some("10000000e0a1b2c3")));
    }

    #[test]
    fn firmware_tpm_and_controller_are_told_by_the_kernel() {
        let files = [
            ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\u{6}\0\0\0\u{1}"),
            ("/sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c", "\u{6}\0\0\0\0"),
            ("/sys/class/tpm/tpm0/tpm_version_major", "2\n"),
            ("/sys/class/tpm/tpm0/device/description", "TPM 2.0 Device\n"),
            ("/sys/bus/platform/devices/ipmi_bmc.0/ipmi_version", "2.0\n"),
            ("/sys/bus/platform/devices/ipmi_bmc.0/firmware_revision", "6.10\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let firmware = found.firmware.unwrap();
        assert_eq!((firmware.uefi, firmware.secure_boot, firmware.setup_mode), (Some(true), Some(true), Some(false)));
        let tpm = found.tpm.unwrap();
        assert_eq!((tpm.version.as_deref(), tpm.description.as_deref()), (Some("2.0"), Some("TPM 2.0 Device")));
        assert_eq!(found.management_controller.unwrap().firmware.as_deref(), Some("6.10"));
        let old = [("/sys/class/tpm/tpm0/device/caps", "Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 4.40\n")];
        let Outcome::Data(found) = collect_one(&old, collect) else { panic!("no data") };
        assert_eq!(found.tpm.unwrap().version.as_deref(), Some("1.2"));
    }
}
