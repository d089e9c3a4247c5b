//! `antivirus` and `firewalls`. Remote control programs need an id there that is not collected.

use rollcall_shared::wire::v1::{Security, SecurityTool};
use serde_json::{Value, json};

use super::Source;

pub(super) fn antivirus(source: &Source<'_>) -> Option<Value> {
    let tools = tools(source, &["antivirus", "detection"])?;
    Some(tools.map(|tool| json!({ "enabled": tool.enabled, "name": tool.name })).collect())
}

pub(super) fn firewalls(source: &Source<'_>) -> Option<Value> {
    // The state is required there: a firewall of which no file tells whether it starts is left out.
    let firewalls = tools(source, &["firewall"])?.filter_map(|tool| {
        let status = if tool.enabled? { "on" } else { "off" };
        Some(json!({ "description": tool.name, "status": status }))
    });
    Some(firewalls.collect())
}

fn tools(source: &Source<'_>, kinds: &'static [&str]) -> Option<impl Iterator<Item = SecurityTool>> {
    let security: Security = source.get()?;
    Some(security.tools.into_iter().filter(|tool| kinds.contains(&tool.kind.as_str())))
}
