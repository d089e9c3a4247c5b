//! The id databases `pci.ids` and `usb.ids`, and the class numbers of both buses.

use super::text::{clean, lines};

/// The names of a vendor and of one of its products, as far as the database has them.
///
/// Both databases have a vendor at the start of a line and its products below it after one tab; lines after two tabs say
/// more about a product and are passed over.
pub fn names(database: &[u8], vendor_id: &str, product_id: &str) -> (Option<String>, Option<String>) {
    let mut below = lines(database).skip_while(|line| entry(line, vendor_id).is_none());
    let Some(vendor) = below.next().and_then(|line| entry(line, vendor_id)) else { return (None, None) };
    let product = below
        .take_while(|line| line.starts_with(b"\t") || line.starts_with(b"#") || line.is_empty())
        .find_map(|line| entry(line.strip_prefix(b"\t")?, product_id));
    (clean(vendor), product.and_then(clean))
}

/// The name on a line `ID  NAME`.
fn entry<'a>(line: &'a [u8], id: &str) -> Option<&'a [u8]> {
    line.strip_prefix(id.as_bytes())?.strip_prefix(b"  ")
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
        let found = |vendor, product| names(DATABASE, vendor, product);
        assert_eq!(found("1af4", "1042"), (Some("Red Hat, Inc.".into()), Some("Virtio 1.0 block device".into())));
        assert_eq!(found("8086", "1041"), (Some("Intel Corporation".into()), Some("Another 1041".into())));
        assert_eq!(found("1af4", "ffff"), (Some("Red Hat, Inc.".into()), None));
        assert_eq!(found("8086", "1042"), (Some("Intel Corporation".into()), None));
        assert_eq!(found("1234", "1041"), (None, None));
        assert_eq!(found("8086", "00"), (Some("Intel Corporation".into()), None), "classes are not products");
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            names(&bytes, "1af4", "1041");
        }
    }
}
