//! What smartd noted of a disk: `/var/lib/smartmontools/smartd.MODEL-SERIAL.ata.state`.

use rollcall_shared::wire::v1::DiskHealth;

use super::text::{clean, lines, number};

/// The serial number as smartd writes it in the names of its files.
pub fn in_file_name(serial: &str) -> String {
    serial.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Whether a file is what smartd noted of the disk with this serial number.
pub fn is_of(file_name: &str, serial: &str) -> bool {
    let serial = in_file_name(serial);
    let Some(rest) = file_name.strip_prefix("smartd.").and_then(|name| name.strip_suffix(".state")) else { return false };
    // The serial number stands after the model, before the protocol; on NVMe the namespace stands between.
    let named = rest.rsplit_once('.').map_or(rest, |(named, _)| named);
    let named = match named.rsplit_once("-n") {
        Some((before, namespace)) if namespace.bytes().all(|byte| byte.is_ascii_digit()) => before,
        _ => named,
    };
    !serial.is_empty() && named.rsplit_once('-').is_some_and(|(_, found)| found == serial)
}

/// The counts. Values that makers pack with others into one number are left out where they are not plain counts.
pub fn state(bytes: &[u8]) -> DiskHealth {
    let mut found = DiskHealth::default();
    let mut attribute: Option<u8> = None;
    for line in lines(bytes) {
        let Some(equals) = memchr::memchr(b'=', line) else { continue };
        let Some(key) = clean(&line[..equals]) else { continue };
        let value = || number::<u64>(&line[equals + 1..]);
        match key.as_str() {
            "self-test-errors" => found.failed_self_tests = value(),
            "ata-error-count" | "nvme-err-log-entries" => found.logged_errors = value(),
            key if key.starts_with("ata-smart-attribute.") => match (key.rsplit('.').next(), attribute) {
                (Some("id"), _) => attribute = number(&line[equals + 1..]),
                (Some("raw"), Some(id)) => put(&mut found, id, value()),
                _ => {}
            },
            _ => {}
        }
    }
    found
}

fn put(found: &mut DiskHealth, attribute: u8, raw: Option<u64>) {
    let plain = |most: u64| raw.filter(|&raw| raw < most);
    match attribute {
        5 => found.reallocated_sectors = plain(1 << 16),
        // More hours than in a century are something else.
        9 => found.power_on_hours = plain(1 << 20),
        197 => found.pending_sectors = plain(1 << 32),
        198 => found.uncorrectable_sectors = plain(1 << 32),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told() {
        let found = state(
            b"# smartd state file\ntemperature-max = 45\nself-test-errors = 1\nata-error-count = 7\nata-smart-attribute.0.id = 5\n\
              ata-smart-attribute.0.val = 100\nata-smart-attribute.0.raw = 8\nata-smart-attribute.1.id = 9\nata-smart-attribute.1.raw = 12345\n\
              ata-smart-attribute.2.id = 197\nata-smart-attribute.2.raw = 2\nata-smart-attribute.3.id = 198\nata-smart-attribute.3.raw = 99999999999999\n",
        );
        assert_eq!((found.reallocated_sectors, found.power_on_hours, found.pending_sectors), (Some(8), Some(12_345), Some(2)));
        assert_eq!((found.failed_self_tests, found.logged_errors, found.uncorrectable_sectors), (Some(1), Some(7), None));
    }

    #[test]
    fn files_are_found_by_serial_number() {
        let cases = [
            ("smartd.WDC_WD10EZEX_08WN4A0-WD_WCC6Y0AB.ata.state", "WD-WCC6Y0AB", true),
            ("smartd.Samsung_SSD_970-S4EV-n1.nvme.state", "S4EV", true),
            ("smartd.Samsung_SSD_970-S4EVX.nvme.state", "S4EV", false),
            ("smartd.X-S4EV.ata.csv", "S4EV", false),
            ("smartd.X-.ata.state", "", false),
        ];
        for (file, serial, expected) in cases {
            assert_eq!(is_of(file, serial), expected, "{file}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, name: String, serial: String) {
            state(&bytes);
            is_of(&name, &serial);
        }
    }
}
