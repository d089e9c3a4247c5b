//! The id databases `pci.ids` and `usb.ids`, the tables that are built in, and the class numbers of both buses.

use std::ops::Range;

use super::text::clean;

/// Names of PCI devices, see [`packed_names`].
pub const PCI_NAMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pci-names"));
/// Names of USB devices, see [`packed_names`].
pub const USB_NAMES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/usb-names"));

/// Where a vendor's part of a database is: from its name to the end of its last product.
///
/// Both databases have a vendor at the start of a line and its products below it after one tab; lines after two tabs say
/// more about a product and are passed over. Most devices of a machine are of few vendors, and to look
/// through the whole database for each of them again costs more than anything else that is asked of a device.
pub fn vendor(database: &[u8], vendor_id: &str) -> Option<Range<usize>> {
    let vendor = entry(database, format!("\n{vendor_id}  ").as_bytes())?;
    // The vendor's part ends before a line that is neither a product nor a remark.
    let below = memchr::memchr_iter(b'\n', &database[vendor..]).map(|at| vendor + at);
    let end = below.filter(|at| !matches!(database.get(at + 1), Some(b'\t' | b'#' | b'\n'))).find(|at| at + 1 < database.len());
    Some(vendor..end.unwrap_or(database.len()))
}

/// The names of the vendor whose part this is, and of one of its products.
pub fn names_of(part: &[u8], product_id: &str) -> (Option<String>, Option<String>) {
    let product = entry(part, format!("\n\t{product_id}  ").as_bytes()).and_then(|at| clean(line(&part[at..])));
    (clean(line(part)), product)
}

/// Where the name begins on the first line that begins so, after the end of the line before.
fn entry(bytes: &[u8], beginning: &[u8]) -> Option<usize> {
    if bytes.starts_with(&beginning[1..]) {
        return Some(beginning.len() - 1);
    }
    memchr::memmem::find(bytes, beginning).map(|at| at + beginning.len())
}

fn line(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// The names of a vendor and of one of its products in one of the tables that are built in; the agent's `build.rs` says how
/// they are laid out.
pub fn packed_names<'a>(table: &'a [u8], vendor_id: &str, product_id: &str) -> (Option<&'a str>, Option<&'a str>) {
    let find = || {
        let number = |id: &str| u16::from_str_radix(id, 16).ok().map(u32::from);
        let (vendor, product) = (number(vendor_id)?, number(product_id)?);
        let count = |at: usize| usize::try_from(u32_at(table, at)?).ok();
        let (vendors, products) = (count(0)?, count(4)?);
        let entries = table.get(HEADER..)?.get(..vendors.checked_add(products)?.checked_mul(ENTRY)?)?;
        let (vendors, products) = entries.split_at(vendors * ENTRY);
        let names = &table[HEADER + entries.len()..];
        Some((packed(vendors, names, vendor), packed(products, names, vendor << 16 | product)))
    };
    find().unwrap_or_default()
}

const HEADER: usize = 8;
const ENTRY: usize = 8;

fn packed<'a>(entries: &[u8], names: &'a [u8], number: u32) -> Option<&'a str> {
    let (mut low, mut high) = (0, entries.len() / ENTRY);
    while low < high {
        let middle = low + (high - low) / 2;
        match u32_at(entries, middle * ENTRY)?.cmp(&number) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let place = usize::try_from(u32_at(entries, middle * ENTRY + 4)?).ok()?;
                let (&length, rest) = names.get(place..)?.split_first()?;
                return std::str::from_utf8(rest.get(..usize::from(length))?).ok();
            }
        }
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What a PCI device is, by its class and subclass numbers.
pub fn pci_class(class: u8, subclass: u8) -> Option<&'static str> {
    Some(match (class, subclass) {
        (0x00, 0x01) | (0x03, _) => "video",
        (0x01, _) => "storage",
        (0x02, _) => "network",
        (0x04, 0x01 | 0x03) => "audio",
        (0x04, _) => "multimedia",
        (0x05, _) => "memory",
        (0x06, _) => "bridge",
        (0x07, _) => "communication",
        (0x08, _) => "system",
        (0x09, _) => "input",
        (0x0a, _) => "docking_station",
        (0x0b, _) => "processor",
        (0x0c, 0x03) => "usb_controller",
        (0x0c, _) => "serial_bus",
        (0x0d, 0x11) => "bluetooth",
        (0x0d, _) => "wireless",
        (0x10, _) => "encryption",
        (0x11, _) => "signal_processing",
        (0x12, _) => "accelerator",
        _ => return None,
    })
}

/// What a USB device or one of its interfaces is, by its class, subclass and protocol numbers.
pub fn usb_class(class: u8, subclass: u8, protocol: u8) -> Option<&'static str> {
    Some(match (class, subclass, protocol) {
        (0x01, _, _) => "audio",
        (0x02, 0x06 | 0x0d | 0x0e, _) => "network",
        (0x02, _, _) => "communication",
        (0x03, 0x01, 0x01) => "keyboard",
        (0x03, 0x01, 0x02) => "mouse",
        (0x03, _, _) => "input",
        (0x06, _, _) => "imaging",
        (0x07, _, _) => "printer",
        (0x08, _, _) => "storage",
        (0x09, _, _) => "hub",
        (0x0b, _, _) => "smart_card",
        (0x0d, _, _) => "security",
        (0x0e, _, _) => "camera",
        (0x0f, _, _) => "healthcare",
        (0xe0, 0x01, 0x01) => "bluetooth",
        (0xe0, _, _) => "wireless",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATABASE: &[u8] =
        b"# comment\n\n1af4  Red Hat, Inc.\n\t1041  Virtio 1.0 network device\n# note\n\t1042  Virtio 1.0 block device\n\t\t1af4 1100  Machine\n\
        8086  Intel Corporation\n\t1041  Another 1041\nC 03  Display controller\n\t00  VGA\n";

    #[test]
    fn names_are_those_below_the_vendor() {
        let found = |id, product| vendor(DATABASE, id).map_or((None, None), |part| names_of(&DATABASE[part], product));
        assert_eq!(found("1af4", "1042"), (Some("Red Hat, Inc.".into()), Some("Virtio 1.0 block device".into())));
        assert_eq!(found("8086", "1041"), (Some("Intel Corporation".into()), Some("Another 1041".into())));
        assert_eq!(found("1af4", "ffff"), (Some("Red Hat, Inc.".into()), None));
        assert_eq!(found("8086", "1042"), (Some("Intel Corporation".into()), None));
        assert_eq!(found("1234", "1041"), (None, None));
        assert_eq!(found("8086", "00"), (Some("Intel Corporation".into()), None), "classes are not products");
    }

    #[test]
    fn names_are_built_in() {
        assert_eq!(packed_names(PCI_NAMES, "8086", "1237"), (Some("Intel Corporation"), Some("440FX - 82441FX PMC [Natoma]")));
        assert_eq!(packed_names(USB_NAMES, "046d", "082d"), (Some("Logitech, Inc."), Some("HD Pro Webcam C920")));
        assert_eq!(packed_names(PCI_NAMES, "8086", "zz"), (None, None));
        assert_eq!(packed_names(USB_NAMES, "1d6b", "fffe").1, None);
        assert_eq!(packed_names(&PCI_NAMES[..100], "8086", "1237"), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            names_of(&bytes[vendor(&bytes, "1af4").unwrap_or_default()], "1041");
            packed_names(&bytes, "1af4", "1041");
        }
    }
}
