//! The JSON Schema of the wire format, generated from the types. The committed copy is proved current by a test.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::v1::{
    CheckInRequest, CheckInResponse, EnrollRequest, EnrollResponse, Exchange, InventoryResponse, RecoverRequest, RenewRequest, SECTIONS,
    SectionStatus, VERSION,
};
use crate::{Digest, DocumentId, Timestamp};

/// The schema of everything that passes between agent and collector, as a bundle of `$defs`.
pub fn v1() -> Value {
    let mut generator = SchemaGenerator::default();
    let mut sections = Map::new();
    for section in SECTIONS {
        let data = (section.schema)(&mut generator);
        let envelope = json!({
            "type": "object",
            "description": section.purpose,
            "required": ["status", "collected_at", "duration_ms", "digest", "data"],
            "properties": {
                "status": generator.subschema_for::<SectionStatus>(),
                "collected_at": generator.subschema_for::<Timestamp>(),
                "duration_ms": {"type": "integer", "minimum": 0},
                "digest": generator.subschema_for::<Digest>(),
                "data": {"anyOf": [{"type": "null"}, data]},
            },
        });
        sections.insert(section.name.to_owned(), envelope);
    }
    let inventory = json!({
        "type": "object",
        "description": "What one agent says about its machine.",
        "required": ["format", "document_id", "exchange", "agent_version", "sent_at", "sections"],
        "properties": {
            "format": {"const": VERSION},
            "document_id": generator.subschema_for::<DocumentId>(),
            "exchange": generator.subschema_for::<Exchange>(),
            "agent_version": {"type": "string"},
            "sent_at": generator.subschema_for::<Timestamp>(),
            "sections": {
                "type": "object",
                "description": "Sections by name. Names that are not listed here are kept and reported.",
                "properties": sections,
            },
        },
    });
    fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    reference::<EnrollRequest>(&mut generator);
    reference::<EnrollResponse>(&mut generator);
    reference::<RenewRequest>(&mut generator);
    reference::<RecoverRequest>(&mut generator);
    reference::<CheckInRequest>(&mut generator);
    reference::<CheckInResponse>(&mut generator);
    reference::<InventoryResponse>(&mut generator);
    let mut definitions = generator.take_definitions(true);
    definitions.insert("InventoryDocument".to_owned(), inventory);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rollcall wire format, version 1",
        "$ref": "#/$defs/InventoryDocument",
        "$defs": definitions,
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_schema_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/wire-v1.json");
        let current = format!("{:#}\n", super::v1());
        if std::env::var_os("ROLLCALL_UPDATE_GENERATED").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/schema")).unwrap();
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == current, "{path} is not what the types say; set ROLLCALL_UPDATE_GENERATED=1 and run this test again");
    }
}
