//! Packs the names of PCI and USB devices, which the crates `pci-ids` and `usb-ids` carry, into two tables that are looked up
//! where they lie in the binary. The crates' own tables are full of pointers, which a position independent program has to relocate: every process of
//! the agent would pay for them in memory at its start, whether it asks for a name or not.
//!
//! A table is, in little endian: number of vendors, number of products (4 bytes each), the vendors (number, place of the
//! name: 4 bytes each, sorted), the products (vendor and product number as one, place of the name), then the names, each
//! after its length in one byte. Read by `parse::hardware_ids::packed_names`.

use std::{collections::BTreeMap, env, fs, path::Path};

type Names = BTreeMap<u32, &'static str>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let out = Path::new(&out);
    let pci = pci_ids::Vendors::iter();
    let pci = pci.map(|vendor| (vendor.id(), vendor.name(), vendor.devices().map(|device| (device.id(), device.name())).collect()));
    fs::write(out.join("pci-names"), table(pci)?)?;
    let usb = usb_ids::Vendors::iter();
    let usb = usb.map(|vendor| (vendor.id(), vendor.name(), vendor.devices().map(|device| (device.id(), device.name())).collect()));
    fs::write(out.join("usb-names"), table(usb)?)?;
    Ok(())
}

type Vendor = (u16, &'static str, Vec<(u16, &'static str)>);

fn table(found: impl Iterator<Item = Vendor>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (mut vendors, mut products) = (Names::new(), Names::new());
    for (vendor, name, devices) in found {
        vendors.insert(u32::from(vendor), name);
        products.extend(devices.into_iter().map(|(device, name)| (u32::from(vendor) << 16 | u32::from(device), name)));
    }
    let mut places: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut index, mut names) = (Vec::new(), Vec::new());
    index.extend(u32::try_from(vendors.len())?.to_le_bytes());
    index.extend(u32::try_from(products.len())?.to_le_bytes());
    for (number, name) in vendors.into_iter().chain(products) {
        let end = (0..=name.len().min(usize::from(u8::MAX))).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
        let name = &name[..end];
        let place = match places.get(name) {
            Some(&place) => place,
            None => {
                let place = u32::try_from(names.len())?;
                places.insert(name, place);
                names.push(u8::try_from(name.len())?);
                names.extend(name.as_bytes());
                place
            }
        };
        index.extend(number.to_le_bytes());
        index.extend(place.to_le_bytes());
    }
    index.extend(names);
    Ok(index)
}
