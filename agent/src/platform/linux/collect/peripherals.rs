//! Batteries, power supplies, monitors, graphics, sound, cameras, input devices and printers.

use std::io;

use rollcall_shared::wire::v1::{Battery, Camera, GraphicsAdapter, Monitor, Peripherals, PowerSupply, Printer};

use super::{Machine, Outcome, devices::Databases, network::is_bus_address};
use crate::{
    files::Root,
    parse::{cups, edid, input_devices::input_devices, sound_cards::sound_cards},
};

const POWER: &str = "/sys/class/power_supply";
const DRM: &str = "/sys/class/drm";
const VIDEO: &str = "/sys/class/video4linux";
const CUPS: &str = "/etc/cups";
const MOST_ENTRIES: usize = 256;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Peripherals> {
    let root = machine.root;
    let some = |directory: &str| {
        let mut names = root.names(directory).unwrap_or_default();
        names.truncate(MOST_ENTRIES);
        names
    };
    let (supplies, connectors) = (some(POWER), some(DRM));
    let file = |path: &str| root.read(path).unwrap_or_default();
    let mut inputs = input_devices(&file("/proc/bus/input/devices"));
    inputs.truncate(MOST_ENTRIES);
    let (printers, missing) = match printers(root) {
        Ok(printers) => (printers, None),
        Err(error) => (Vec::new(), Some(format!("{CUPS}/printers.conf: {error}; print queues are not known"))),
    };
    let found = Peripherals {
        batteries: batteries(machine, &supplies),
        power_supplies: power_supplies(machine, &supplies),
        monitors: connectors.iter().filter_map(|connector| monitor(root, connector)).collect(),
        graphics: graphics(root, &connectors),
        sound_cards: sound_cards(&file("/proc/asound/cards")),
        cameras: some(VIDEO).iter().filter_map(|name| camera(root, name)).collect(),
        inputs,
        printers,
    };
    match missing {
        Some(missing) => Outcome::Partial(found, missing),
        None if found == Peripherals::default() => Outcome::NotPresent(format!(
            "nothing in {POWER}, {DRM}, {VIDEO}, /proc/asound and /proc/bus/input, no print queues, no power supplies in SMBIOS"
        )),
        None => Outcome::Data(found),
    }
}

/// What the kernel drives; of the same batteries SMBIOS knows where they sit and when they were made. Where the kernel drives
/// none, SMBIOS alone tells.
fn batteries(machine: &Machine<'_>, supplies: &[String]) -> Vec<Battery> {
    let described = machine.smbios().map(|smbios| smbios.batteries.clone()).unwrap_or_default();
    let mut found: Vec<Battery> = supplies.iter().filter_map(|name| battery(machine.root, name)).collect();
    let is_built_in = |battery: &Battery| battery.scope.as_deref() != Some("device");
    if !found.iter().any(is_built_in) {
        found.extend(described);
        return found;
    }
    // Both list them in the same order, if they list as many.
    if found.iter().filter(|battery| is_built_in(battery)).count() == described.len() {
        for (battery, described) in found.iter_mut().filter(|battery| is_built_in(battery)).zip(described) {
            battery.location = described.location;
            battery.made_on = battery.made_on.take().or(described.made_on);
            battery.manufacturer = battery.manufacturer.take().or(described.manufacturer);
            battery.serial = battery.serial.take().or(described.serial);
        }
    }
    found
}

fn battery(root: &Root, name: &str) -> Option<Battery> {
    /// A cycle a day is no change worth telling.
    const CYCLES: u32 = 50;
    let text = |file: &str| root.text(&format!("{POWER}/{name}/{file}"));
    let number = |file: &str| root.number::<u64>(&format!("{POWER}/{name}/{file}"));
    let is_present = number("present").is_none_or(|present| present != 0);
    if text("type")? != "Battery" || !is_present {
        return None;
    }
    // Either energy in microwatt hours, or charge in microampere hours at a voltage in microvolts.
    let energy = number("energy_full_design");
    let charge = || u128::from(number("charge_full_design")?).checked_mul(u128::from(number("voltage_min_design")?));
    let design_capacity_mwh = match energy {
        Some(microwatt_hours) => Some(microwatt_hours / 1_000),
        None => charge().and_then(|product| u64::try_from(product / 1_000_000_000).ok()),
    };
    let share = |now: &str, design: &str| health(number(now)?, number(design)?);
    let made_on = || Some((number("manufacture_year")?, number("manufacture_month")?, number("manufacture_day")?));
    let is_date =
        |&(year, month, day): &(u64, u64, u64)| (1_990..2_200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    Some(Battery {
        name: name.to_owned(),
        scope: text("scope").map(|scope| scope.to_ascii_lowercase()),
        manufacturer: text("manufacturer"),
        model: text("model_name"),
        serial: text("serial_number").filter(|serial| serial.bytes().any(|byte| byte != b'0' && byte != b' ')),
        technology: text("technology").filter(|technology| technology != "Unknown"),
        design_capacity_mwh: design_capacity_mwh.filter(|&capacity| capacity > 0),
        health_percent: share("energy_full", "energy_full_design").or_else(|| share("charge_full", "charge_full_design")),
        location: None,
        made_on: made_on().filter(is_date).map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}")),
        cycles: number("cycle_count").and_then(|cycles| u32::try_from(cycles).ok()).map(|cycles| cycles / CYCLES * CYCLES),
        design_millivolts: number("voltage_min_design")
            .and_then(|microvolts| u32::try_from(microvolts / 1_000).ok())
            .filter(|&volts| volts > 0),
    })
}

/// Rounded down to a multiple of 5, 100 at most.
fn health(now: u64, design: u64) -> Option<u8> {
    const STEP: u128 = 5;
    let steps = (u128::from(now) * (100 / STEP)).checked_div(u128::from(design))?;
    u8::try_from((steps * STEP).min(100)).ok()
}

fn power_supplies(machine: &Machine<'_>, supplies: &[String]) -> Vec<PowerSupply> {
    let mut found = machine.smbios().map(|smbios| smbios.power_supplies.clone()).unwrap_or_default();
    found.extend(supplies.iter().filter_map(|name| {
        let text = |file: &str| machine.root.text(&format!("{POWER}/{name}/{file}"));
        // Whether a notebook's charger is plugged in changes several times a day and is not told.
        let kind = match text("type")?.as_str() {
            "Mains" => "mains",
            "UPS" => "ups",
            "Wireless" => "wireless",
            usb if usb.starts_with("USB") => "usb",
            _ => return None,
        };
        Some(PowerSupply {
            name: name.clone(),
            kind: kind.to_owned(),
            manufacturer: text("manufacturer"),
            model: text("model_name"),
            serial: text("serial_number"),
            ..PowerSupply::default()
        })
    }));
    found.sort_by(|a, b| (&a.name, &a.location).cmp(&(&b.name, &b.location)));
    found
}

fn monitor(root: &Root, connector: &str) -> Option<Monitor> {
    let bytes = root.read(&format!("{DRM}/{connector}/edid")).ok().filter(|bytes| !bytes.is_empty())?;
    Some(Monitor { connector: connector.to_owned(), ..edid::monitor(&bytes)? })
}

fn graphics(root: &Root, names: &[String]) -> Vec<GraphicsAdapter> {
    let databases = Databases::new(root);
    let adapter = |name: &String| {
        // `card0-HDMI-A-1` is a connector of `card0`.
        name.strip_prefix("card").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        let at = format!("{DRM}/{name}/device");
        let id = |file: &str| root.text(&format!("{at}/{file}")).and_then(|id| Some(id.strip_prefix("0x")?.to_ascii_lowercase()));
        let (vendor, model) = match (id("vendor"), id("device")) {
            (Some(vendor), Some(device)) => databases.pci(&vendor, &device),
            _ => (None, None),
        };
        Some(GraphicsAdapter {
            name: name.clone(),
            bus_address: bus_address(root, &format!("{DRM}/{name}"), "/drm/"),
            driver: root.link_name(&format!("{at}/driver")),
            vendor,
            model,
            memory_bytes: root.number(&format!("{at}/mem_info_vram_total")).filter(|&bytes| bytes > 0),
        })
    };
    names.iter().filter_map(adapter).collect()
}

fn camera(root: &Root, name: &str) -> Option<Camera> {
    // A camera has several nodes: pictures, then what is told about them.
    let is_first = root.number::<u32>(&format!("{VIDEO}/{name}/index")).is_none_or(|index| index == 0);
    (name.starts_with("video") && is_first).then(|| Camera {
        name: name.to_owned(),
        model: root.text(&format!("{VIDEO}/{name}/name")),
        bus_address: bus_address(root, &format!("{VIDEO}/{name}"), "/video4linux/"),
    })
}

/// The nearest device above that is on a bus of its own.
fn bus_address(root: &Root, path: &str, class: &str) -> Option<String> {
    let place = root.link(path)?;
    place.split(class).next()?.rsplit('/').find(|part| is_bus_address(part)).map(str::to_owned)
}

fn printers(root: &Root) -> io::Result<Vec<Printer>> {
    let bytes = match root.read(&format!("{CUPS}/printers.conf")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = cups::printers(&bytes);
    found.truncate(MOST_ENTRIES);
    for printer in found.iter_mut().filter(|printer| printer.model.is_none() && !printer.name.contains('/')) {
        // Model names stand at the beginning.
        const BEGINNING: u64 = 16 << 10;
        let description = root.read_at(&format!("{CUPS}/ppd/{}.ppd", printer.name), 0, BEGINNING).unwrap_or_default();
        printer.model = cups::ppd_model(&description);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};
    use crate::parse::edid::tests::edid;

    #[test]
    fn batteries_and_chargers_are_told() {
        let files = [
            ("/sys/class/power_supply/AC/type", "Mains\n"),
            ("/sys/class/power_supply/AC/online", "1\n"),
            ("/sys/class/power_supply/BAT0/type", "Battery\n"),
            ("/sys/class/power_supply/BAT0/model_name", "5B10W13930\n"),
            ("/sys/class/power_supply/BAT0/serial_number", " 1234\n"),
            ("/sys/class/power_supply/BAT0/technology", "Li-poly\n"),
            ("/sys/class/power_supply/BAT0/energy_full_design", "57000000\n"),
            ("/sys/class/power_supply/BAT0/energy_full", "51870000\n"),
            ("/sys/class/power_supply/BAT0/cycle_count", "137\n"),
            ("/sys/class/power_supply/BAT1/type", "Battery\n"),
            ("/sys/class/power_supply/BAT1/serial_number", "0000\n"),
            ("/sys/class/power_supply/BAT1/charge_full_design", "4000000\n"),
            ("/sys/class/power_supply/BAT1/charge_full", "4100000\n"),
            ("/sys/class/power_supply/BAT1/voltage_min_design", "11400000\n"),
            ("/sys/class/power_supply/BAT2/type", "Battery\n"),
            ("/sys/class/power_supply/BAT2/present", "0\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let seen: Vec<_> =
            found.batteries.iter().map(|b| (b.name.as_str(), b.serial.as_deref(), b.design_capacity_mwh, b.health_percent)).collect();
        assert_eq!(seen, [("BAT0", Some("1234"), Some(57_000), Some(90)), ("BAT1", None, Some(45_600), Some(100))]);
        assert_eq!((found.batteries[0].cycles, found.batteries[1].design_millivolts), (Some(100), Some(11_400)));
        assert_eq!((found.power_supplies.len(), found.power_supplies[0].kind.as_str()), (1, "mains"));
        assert_eq!(health(1, 0), None);
        assert!(matches!(collect_one(&[], collect), Outcome::NotPresent(_)));
    }

    #[test]
    fn a_desk_is_told() {
        let files = [
            ("/sys/devices/pci0000:00/0000:00:02.0/drm/card0/device", "-> ../.."),
            ("/sys/devices/pci0000:00/0000:00:02.0/vendor", "0x8086\n"),
            ("/sys/devices/pci0000:00/0000:00:02.0/device", "0x1237\n"),
            ("/sys/devices/pci0000:00/0000:00:02.0/driver", "-> ../../../bus/pci/drivers/i915"),
            ("/sys/class/drm/card0", "-> ../../devices/pci0000:00/0000:00:02.0/drm/card0"),
            ("/sys/class/drm/renderD128/dev", "226:128\n"),
            ("/sys/devices/pci0000:00/usb1/1-3/1-3:1.0/video4linux/video0/name", "HD Webcam\n"),
            ("/sys/devices/pci0000:00/usb1/1-3/1-3:1.0/video4linux/video0/index", "0\n"),
            ("/sys/class/video4linux/video0", "-> ../../devices/pci0000:00/usb1/1-3/1-3:1.0/video4linux/video0"),
            ("/sys/class/video4linux/video1/index", "1\n"),
            ("/proc/asound/cards", " 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n"),
            ("/etc/cups/printers.conf", "<Printer Desk>\nDeviceURI usb://HP/M404?serial=1\n</Printer>\n"),
            ("/etc/cups/ppd/Desk.ppd", "*NickName: \"HP LaserJet M404\"\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let [card] = &found.graphics[..] else { panic!("{found:?}") };
        assert_eq!((card.bus_address.as_deref(), card.driver.as_deref()), (Some("0000:00:02.0"), Some("i915")));
        assert_eq!(card.vendor.as_deref(), Some("Intel Corporation"));
        let [camera] = &found.cameras[..] else { panic!("{found:?}") };
        assert_eq!((camera.model.as_deref(), camera.bus_address.as_deref()), (Some("HD Webcam"), Some("1-3")));
        assert_eq!((found.sound_cards[0].id.as_str(), found.printers[0].model.as_deref()), ("PCH", Some("HP LaserJet M404")));
    }

    #[test]
    fn a_monitor_has_its_connector() {
        let directory = tempfile::tempdir().unwrap();
        for (connector, bytes) in [("card0-HDMI-A-1", edid()), ("card0-DP-1", Vec::new())] {
            let at = directory.path().join("sys/class/drm").join(connector);
            std::fs::create_dir_all(&at).unwrap();
            std::fs::write(at.join("edid"), bytes).unwrap();
        }
        let root = Root::new(directory.path());
        assert_eq!(monitor(&root, "card0-HDMI-A-1").unwrap().connector, "card0-HDMI-A-1");
        assert_eq!(monitor(&root, "card0-DP-1"), None);
    }
}
