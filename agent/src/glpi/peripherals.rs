//! `cameras`, `powersupplies` and `printers`.

use rollcall_shared::wire::v1::Peripherals;
use serde_json::{Value, json};

use super::Source;

pub(super) fn cameras(source: &Source<'_>) -> Option<Value> {
    let peripherals: Peripherals = source.get()?;
    Some(peripherals.cameras.into_iter().map(|camera| json!({ "model": camera.model.unwrap_or(camera.name) })).collect())
}

pub(super) fn power_supplies(source: &Source<'_>) -> Option<Value> {
    let peripherals: Peripherals = source.get()?;
    let supplies = peripherals.power_supplies.into_iter().filter(|supply| supply.present != Some(false)).map(|supply| {
        json!({
            "hotreplaceable": supply.hot_replaceable,
            "location": supply.location,
            "manufacturer": supply.manufacturer,
            "model": supply.model,
            "name": supply.name,
            "partnum": supply.part_number,
            "plugged": supply.plugged_in,
            "power_max": supply.max_watts,
            "serialnumber": supply.serial,
        })
    });
    Some(supplies.collect())
}

pub(super) fn printers(source: &Source<'_>) -> Option<Value> {
    let peripherals: Peripherals = source.get()?;
    let printers = peripherals.printers.into_iter().filter(|printer| !printer.name.trim().is_empty()).map(|printer| {
        json!({
            "comment": printer.location,
            "description": printer.description,
            "driver": printer.model,
            "name": printer.name,
            "network": printer.uri.is_some().then_some(printer.host.is_some()),
            "port": printer.uri,
            "serial": printer.serial,
            "shared": printer.shared,
        })
    });
    Some(printers.collect())
}
