//! Batteries and monitors, from sysfs.

use rollcall_shared::wire::v1::{Battery, Monitor, Peripherals};

use super::{Machine, Outcome};
use crate::{files::Root, parse::edid};

const POWER: &str = "/sys/class/power_supply";
const DRM: &str = "/sys/class/drm";
const MOST_ENTRIES: usize = 256;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Peripherals> {
    let root = machine.root;
    let (supplies, connectors) = (root.names(POWER), root.names(DRM));
    if supplies.is_err() && connectors.is_err() {
        return Outcome::NotPresent(format!("no {POWER} and no {DRM}"));
    }
    let (supplies, connectors) = (supplies.unwrap_or_default(), connectors.unwrap_or_default());
    Outcome::Data(Peripherals {
        batteries: supplies.iter().take(MOST_ENTRIES).filter_map(|name| battery(root, name)).collect(),
        monitors: connectors.iter().take(MOST_ENTRIES).filter_map(|connector| monitor(root, connector)).collect(),
        ..Peripherals::default()
    })
}

fn battery(root: &Root, name: &str) -> Option<Battery> {
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
    Some(Battery {
        name: name.to_owned(),
        scope: text("scope").map(|scope| scope.to_ascii_lowercase()),
        manufacturer: text("manufacturer"),
        model: text("model_name"),
        serial: text("serial_number").filter(|serial| serial.bytes().any(|byte| byte != b'0' && byte != b' ')),
        technology: text("technology").filter(|technology| technology != "Unknown"),
        design_capacity_mwh: design_capacity_mwh.filter(|&capacity| capacity > 0),
        health_percent: share("energy_full", "energy_full_design").or_else(|| share("charge_full", "charge_full_design")),
        ..Battery::default()
    })
}

/// Rounded down to a multiple of 5, 100 at most.
fn health(now: u64, design: u64) -> Option<u8> {
    const STEP: u128 = 5;
    let steps = (u128::from(now) * (100 / STEP)).checked_div(u128::from(design))?;
    u8::try_from((steps * STEP).min(100)).ok()
}

fn monitor(root: &Root, connector: &str) -> Option<Monitor> {
    let bytes = root.read(&format!("{DRM}/{connector}/edid")).ok().filter(|bytes| !bytes.is_empty())?;
    Some(Monitor { connector: connector.to_owned(), ..edid::monitor(&bytes)? })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};
    use crate::parse::edid::tests::edid;

    #[test]
    fn batteries_are_told_and_mains_are_not() {
        let files = [
            ("/sys/class/power_supply/AC/type", "Mains\n"),
            ("/sys/class/power_supply/BAT0/type", "Battery\n"),
            ("/sys/class/power_supply/BAT0/model_name", "5B10W13930\n"),
            ("/sys/class/power_supply/BAT0/serial_number", " 1234\n"),
            ("/sys/class/power_supply/BAT0/technology", "Li-poly\n"),
            ("/sys/class/power_supply/BAT0/energy_full_design", "57000000\n"),
            ("/sys/class/power_supply/BAT0/energy_full", "51870000\n"),
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
        assert_eq!(health(1, 0), None);
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
