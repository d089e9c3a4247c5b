//! Devices on the PCI and USB buses, from sysfs.
//!
//! Names come from what USB devices say of themselves, from the id databases that the machine itself has (pciutils,
//! usbutils, hwdata: they may be newer, and its other tools say the same), and then from those that are built in. Numbers
//! are always sent, so that names can be looked up later.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    io,
    ops::Range,
};

use rollcall_shared::wire::v1::{Device, Devices};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::hardware_ids::{self, PCI_NAMES, USB_NAMES, pci_class, usb_class},
};

const PCI: &str = "/sys/bus/pci/devices";
const USB: &str = "/sys/bus/usb/devices";
/// More than any machine has slots, ports and functions for.
const MOST_DEVICES: usize = 4_096;
/// Several times what the databases are.
const MOST_DATABASE: u64 = 8 << 20;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Devices> {
    let root = machine.root;
    let databases = Databases::new(root);
    let mut buses = 0;
    let mut devices = Vec::new();
    for (at, read) in [(PCI, pci as fn(&Root, &Databases<'_>, &str) -> Option<Device>), (USB, usb)] {
        let names = match root.names(at) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Outcome::failed(at, &error),
        };
        buses += 1;
        devices.extend(names.iter().filter_map(|name| read(root, &databases, name)));
    }
    if buses == 0 {
        return Outcome::NotPresent(format!("no {PCI} and no {USB}"));
    }
    if devices.len() > MOST_DEVICES {
        devices.truncate(MOST_DEVICES);
        return Outcome::Partial(Devices { devices }, format!("only the first {MOST_DEVICES} devices are listed"));
    }
    Outcome::Data(Devices { devices })
}

/// The id databases of the machine, read when the first name is asked for.
pub(super) struct Databases<'a> {
    root: &'a Root,
    pci: OnceCell<Database>,
    usb: OnceCell<Database>,
}

/// One of them, and where in it the vendors are that were asked for.
#[derive(Default)]
struct Database {
    bytes: Vec<u8>,
    vendors: RefCell<BTreeMap<String, Option<Range<usize>>>>,
}

impl Database {
    fn names(&self, vendor_id: &str, product_id: &str) -> (Option<String>, Option<String>) {
        let mut vendors = self.vendors.borrow_mut();
        let part = vendors.entry(vendor_id.to_owned()).or_insert_with(|| hardware_ids::vendor(&self.bytes, vendor_id));
        let part = part.clone().and_then(|part| self.bytes.get(part));
        part.map_or((None, None), |part| hardware_ids::names_of(part, product_id))
    }
}

impl<'a> Databases<'a> {
    pub(super) fn new(root: &'a Root) -> Self {
        Self { root, pci: OnceCell::new(), usb: OnceCell::new() }
    }

    pub(super) fn pci(&self, vendor_id: &str, product_id: &str) -> (Option<String>, Option<String>) {
        let own = self.pci.get_or_init(|| self.read("pci.ids")).names(vendor_id, product_id);
        or_built_in(own, PCI_NAMES, vendor_id, product_id)
    }

    fn usb(&self, vendor_id: &str, product_id: &str) -> (Option<String>, Option<String>) {
        let own = self.usb.get_or_init(|| self.read("usb.ids")).names(vendor_id, product_id);
        or_built_in(own, USB_NAMES, vendor_id, product_id)
    }

    fn read(&self, name: &str) -> Database {
        let directories = ["/usr/share/hwdata", "/usr/share/misc", "/var/lib/usbutils"];
        let read = |directory: &&str| self.root.read_up_to(&format!("{directory}/{name}"), MOST_DATABASE).ok();
        Database { bytes: directories.iter().find_map(read).unwrap_or_default(), ..Database::default() }
    }
}

/// What the machine's own database lacks, the table that is built in may have.
fn or_built_in(
    (vendor, product): (Option<String>, Option<String>),
    table: &[u8],
    vendor_id: &str,
    product_id: &str,
) -> (Option<String>, Option<String>) {
    if vendor.is_some() && product.is_some() {
        return (vendor, product);
    }
    let (known_vendor, known_product) = hardware_ids::packed_names(table, vendor_id, product_id);
    (vendor.or_else(|| known_vendor.map(str::to_owned)), product.or_else(|| known_product.map(str::to_owned)))
}

fn pci(root: &Root, databases: &Databases<'_>, address: &str) -> Option<Device> {
    let at = format!("{PCI}/{address}");
    let number = |file: &str| Some(root.text(&format!("{at}/{file}"))?.strip_prefix("0x")?.to_ascii_lowercase());
    let id = |file: &str| number(file).filter(|id| is_hexadecimal(id, 4));
    let (vendor_id, product_id) = (id("vendor")?, id("device")?);
    let class_code = number("class").filter(|code| is_hexadecimal(code, 6));
    let class = class_code.as_deref().and_then(|code| {
        let byte = |at: usize| u8::from_str_radix(code.get(at..at + 2)?, 16).ok();
        pci_class(byte(0)?, byte(2)?)
    });
    let (vendor, product) = databases.pci(&vendor_id, &product_id);
    let subsystem = id("subsystem_vendor").zip(id("subsystem_device")).filter(|(vendor, _)| vendor != "0000");
    Some(Device {
        bus: "pci".to_owned(),
        address: address.to_owned(),
        subsystem_id: subsystem.map(|(vendor, device)| format!("{vendor}:{device}")),
        vendor,
        product,
        serial: None,
        classes: class.map(str::to_owned).into_iter().collect(),
        class_code,
        revision: number("revision").filter(|revision| is_hexadecimal(revision, 2)),
        drivers: root.link_name(&format!("{at}/driver")).into_iter().collect(),
        vendor_id,
        product_id,
    })
}

fn usb(root: &Root, databases: &Databases<'_>, address: &str) -> Option<Device> {
    // `usb1` is the kernel's view of a controller that the PCI bus lists; `1-1:1.0` is an interface of `1-1`.
    if address.starts_with("usb") || address.contains(':') {
        return None;
    }
    let at = format!("{USB}/{address}");
    let text = |file: &str| root.text(&format!("{at}/{file}"));
    let id = |file: &str| text(file).map(|id| id.to_ascii_lowercase()).filter(|id| is_hexadecimal(id, 4));
    let (vendor_id, product_id) = (id("idVendor")?, id("idProduct")?);
    let class = |directory: &str, prefix: &str| {
        let number = |file: &str| u8::from_str_radix(&root.text(&format!("{directory}/{prefix}{file}"))?, 16).ok();
        usb_class(number("Class")?, number("SubClass")?, number("Protocol")?)
    };
    let mut classes: BTreeSet<&str> = class(&at, "bDevice").into_iter().collect();
    let mut drivers = BTreeSet::new();
    let is_interface = |name: &&String| name.strip_prefix(address).is_some_and(|rest| rest.starts_with(':'));
    for interface in root.names(&at).unwrap_or_default().iter().filter(is_interface) {
        let at = format!("{at}/{interface}");
        classes.extend(class(&at, "bInterface"));
        drivers.extend(root.link_name(&format!("{at}/driver")));
    }
    let (vendor, product) = match (text("manufacturer"), text("product")) {
        (Some(vendor), Some(product)) => (Some(vendor), Some(product)),
        (vendor, product) => {
            let (known_vendor, known_product) = databases.usb(&vendor_id, &product_id);
            (vendor.or(known_vendor), product.or(known_product))
        }
    };
    Some(Device {
        bus: "usb".to_owned(),
        address: address.to_owned(),
        subsystem_id: None,
        vendor,
        product,
        serial: text("serial"),
        classes: classes.into_iter().map(str::to_owned).collect(),
        class_code: None,
        revision: id("bcdDevice"),
        drivers: drivers.into_iter().collect(),
        vendor_id,
        product_id,
    })
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn a_card_and_a_webcam_are_told_and_root_hubs_are_not() {
        let files = [
            ("/usr/share/misc/pci.ids", "10ec  Realtek\n\t8168  RTL8111\n"),
            ("/sys/bus/pci/devices/0000:02:00.0/vendor", "0x10ec\n"),
            ("/sys/bus/pci/devices/0000:02:00.0/device", "0x8168\n"),
            ("/sys/bus/pci/devices/0000:02:00.0/class", "0x020000\n"),
            ("/sys/bus/pci/devices/0000:02:00.0/subsystem_vendor", "0x103c\n"),
            ("/sys/bus/pci/devices/0000:02:00.0/subsystem_device", "0x8079\n"),
            ("/sys/bus/pci/devices/0000:02:00.0/driver", "-> ../../../../bus/pci/drivers/r8169"),
            ("/sys/bus/pci/devices/0000:03:00.0/vendor", "garbage\n"),
            ("/sys/bus/usb/devices/usb1/idVendor", "1d6b\n"),
            ("/sys/bus/usb/devices/usb1/idProduct", "0002\n"),
            ("/sys/bus/usb/devices/1-3/idVendor", "046d\n"),
            ("/sys/bus/usb/devices/1-3/idProduct", "082d\n"),
            ("/sys/bus/usb/devices/1-3/product", "HD Pro Webcam C920\n"),
            ("/sys/bus/usb/devices/1-3/serial", "A1B2C3D4\n"),
            ("/sys/bus/usb/devices/1-3/bDeviceClass", "ef\n"),
            ("/sys/bus/usb/devices/1-3/1-3:1.0/bInterfaceClass", "0e\n"),
            ("/sys/bus/usb/devices/1-3/1-3:1.0/bInterfaceSubClass", "01\n"),
            ("/sys/bus/usb/devices/1-3/1-3:1.0/bInterfaceProtocol", "00\n"),
            ("/sys/bus/usb/devices/1-3/1-3:1.0/driver", "-> ../../../bus/usb/drivers/uvcvideo"),
            ("/sys/bus/usb/devices/1-3/1-3:1.2/bInterfaceClass", "01\n"),
            ("/sys/bus/usb/devices/1-3/1-3:1.2/bInterfaceSubClass", "01\n"),
            ("/sys/bus/usb/devices/1-3/1-3:1.2/bInterfaceProtocol", "00\n"),
            ("/usr/share/misc/usb.ids", "046d  Logitech, Inc.\n\t082d  HD Pro Webcam\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let [card, webcam] = &found.devices[..] else { panic!("{found:?}") };
        assert_eq!((card.vendor.as_deref(), card.product.as_deref()), (Some("Realtek"), Some("RTL8111")));
        assert_eq!((card.classes.as_slice(), card.subsystem_id.as_deref()), (&["network".to_owned()][..], Some("103c:8079")));
        assert_eq!(card.drivers, ["r8169"]);
        assert_eq!((webcam.vendor.as_deref(), webcam.product.as_deref()), (Some("Logitech, Inc."), Some("HD Pro Webcam C920")));
        assert_eq!(
            (webcam.classes.as_slice(), webcam.drivers.as_slice()),
            (&["audio".into(), "camera".into()][..], &["uvcvideo".into()][..])
        );
        assert_eq!(webcam.serial.as_deref(), Some("A1B2C3D4"));
    }

    #[test]
    fn without_databases_the_built_in_names_are_told() {
        let files = [("/sys/bus/pci/devices/0000:00:00.0/vendor", "0x8086\n"), ("/sys/bus/pci/devices/0000:00:00.0/device", "0x1237\n")];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let names = (found.devices[0].vendor.as_deref(), found.devices[0].product.as_deref());
        assert_eq!(names, (Some("Intel Corporation"), Some("440FX - 82441FX PMC [Natoma]")));
    }

    #[test]
    fn a_machine_without_buses_says_so() {
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }
}
