//! What is on the PCI and USB buses, batteries and monitors.

use rollcall_shared::wire::v1::{Device, Devices, Peripherals};
use serde_json::{Value, json};

use super::Source;

pub(super) fn controllers(source: &Source<'_>) -> Option<Value> {
    let devices: Devices = source.get()?;
    let controllers = devices.devices.iter().filter(|device| device.bus == "pci").map(|device| {
        json!({
            "caption": device.product,
            "driver": device.drivers.first(),
            "manufacturer": device.vendor,
            "name": device.product,
            // Class and subclass; the format has no room for the programming interface.
            "pciclass": device.class_code.as_deref().and_then(|code| code.get(..4)),
            "pcislot": slot(device),
            "pcisubsystemid": device.subsystem_id,
            "productid": device.product_id,
            "rev": device.revision.as_deref().map(|revision| revision.trim_start_matches("0x")),
            "type": device.classes.first(),
            "vendorid": device.vendor_id,
        })
    });
    Some(controllers.collect())
}

pub(super) fn videos(source: &Source<'_>) -> Option<Value> {
    let of = |device: &Device| json!({ "chipset": device.vendor, "name": name(device), "pcislot": slot(device) });
    class(source, &["video"], Some("pci"), of)
}

pub(super) fn sounds(source: &Source<'_>) -> Option<Value> {
    let of = |device: &Device| json!({ "caption": device.product, "manufacturer": device.vendor, "name": name(device) });
    class(source, &["audio"], None, of)
}

pub(super) fn inputs(source: &Source<'_>) -> Option<Value> {
    let of = |device: &Device| {
        let kind = device.classes.iter().find(|class| matches!(class.as_str(), "keyboard" | "mouse" | "input"));
        json!({ "caption": device.product, "interface": device.bus.to_uppercase(), "manufacturer": device.vendor, "name": name(device), "type": kind })
    };
    class(source, &["keyboard", "mouse", "input"], None, of)
}

pub(super) fn usb(source: &Source<'_>) -> Option<Value> {
    let devices: Devices = source.get()?;
    let devices = devices.devices.iter().filter(|device| device.bus == "usb").map(|device| {
        json!({
            "caption": device.product,
            "manufacturer": device.vendor,
            "name": name(device),
            "productid": device.product_id,
            "serial": device.serial,
            "vendorid": device.vendor_id,
        })
    });
    Some(devices.collect())
}

pub(super) fn batteries(source: &Source<'_>) -> Option<Value> {
    let peripherals: Peripherals = source.get()?;
    // What it can still hold is rounded in our section, so only what it was made for is told.
    let batteries = peripherals.batteries.into_iter().map(|battery| {
        json!({
            "capacity": battery.design_capacity_mwh,
            "chemistry": battery.technology,
            "manufacturer": battery.manufacturer,
            "name": battery.model.unwrap_or(battery.name),
            "serial": battery.serial,
        })
    });
    Some(batteries.collect())
}

pub(super) fn monitors(source: &Source<'_>) -> Option<Value> {
    let peripherals: Peripherals = source.get()?;
    let monitors = peripherals.monitors.into_iter().map(|monitor| {
        json!({
            "caption": monitor.name,
            "description": monitor.year.map(|year| year.to_string()),
            "manufacturer": monitor.manufacturer_id,
            "name": monitor.name,
            "serial": monitor.serial,
        })
    });
    Some(monitors.collect())
}

fn class(source: &Source<'_>, classes: &[&str], bus: Option<&str>, map: fn(&Device) -> Value) -> Option<Value> {
    let devices: Devices = source.get()?;
    let is_wanted =
        |device: &&Device| bus.is_none_or(|bus| device.bus == bus) && device.classes.iter().any(|class| classes.contains(&class.as_str()));
    Some(devices.devices.iter().filter(is_wanted).map(map).collect())
}

/// What people know it by; its numbers where no database has a name for it.
fn name(device: &Device) -> String {
    device.product.clone().unwrap_or_else(|| format!("{}:{}", device.vendor_id, device.product_id))
}

/// `0000:00:1f.3` without the first domain, as that format has it.
fn slot(device: &Device) -> &str {
    device.address.strip_prefix("0000:").unwrap_or(&device.address)
}
