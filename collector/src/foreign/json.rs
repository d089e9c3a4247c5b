//! JSON of GLPI Agent.

use rollcall_shared::wire::{
    Problem,
    limits::{self, JsonLimits},
};
use serde_json::{Map, Value};

use super::{
    content::{Content, Item},
    message::{Inventory, Message},
};

const LIMITS: JsonLimits = JsonLimits { bytes: 16 << 20, depth: 16, items: 50_000, total_items: 300_000, string_bytes: 1 << 20 };

pub(super) fn read(text: &[u8]) -> Result<Message, Problem> {
    let mut root: Map<String, Value> = limits::parse(text, &LIMITS)?;
    let action = root.get("action").and_then(Value::as_str).unwrap_or("inventory").to_owned();
    match action.as_str() {
        "contact" => Ok(Message::Contact),
        "inventory" => {
            let device = root.get("deviceid").and_then(Value::as_str).map(str::trim).unwrap_or_default();
            if device.is_empty() {
                return Err(
                    Problem::new(422, "no-device", "The inventory names no device", "$.deviceid is missing or empty").at("$.deviceid")
                );
            }
            let device = device.to_owned();
            if root.get("itemtype").and_then(Value::as_str).is_some_and(|kind| kind != "Computer") {
                return Ok(Message::Other);
            }
            let partial = root.get("partial").and_then(Value::as_bool).unwrap_or(false);
            let Some(Value::Object(content)) = root.remove("content") else {
                return Err(Problem::new(422, "no-content", "The inventory is empty", "$.content is missing or no object").at("$.content"));
            };
            let program = content.get("versionclient").and_then(Value::as_str).map(str::to_owned);
            Ok(Message::Inventory(Inventory { device, partial, program, content: read_content(content)? }))
        }
        _ => Ok(Message::Other),
    }
}

fn read_content(sections: Map<String, Value>) -> Result<Content, Problem> {
    let mut content = Content::default();
    for (name, value) in sections {
        let Some(section) = Content::section(&name) else { continue };
        let items = match value {
            Value::Array(items) => items,
            other => vec![other],
        };
        for value in items {
            let Value::Object(fields) = value else { continue };
            let mut item = Item::default();
            for (field, value) in fields {
                match value {
                    Value::Object(inner) => {
                        for (inner_field, value) in inner {
                            set(&mut item, section, &format!("{field}_{inner_field}"), &value)?;
                        }
                    }
                    value => set(&mut item, section, &field, &value)?,
                }
            }
            content.push(section, item)?;
        }
    }
    Ok(content)
}

fn set(item: &mut Item, section: &str, field: &str, value: &Value) -> Result<(), Problem> {
    match value {
        Value::String(text) => item.set(section, field, text),
        Value::Number(number) => item.set(section, field, &number.to_string()),
        Value::Bool(flag) => item.set(section, field, if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => Ok(()),
    }
}
