use rollcall_core::{
    Put,
    catalogue::{Definition, DefinitionBody, DefinitionId},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, json, time};
use crate::store::plan::Version;

/// The column `body`: `{KIND: {…}, "source": "user:ada"}`.
#[derive(Serialize, Deserialize)]
struct BodyText {
    #[serde(flatten)]
    body: DefinitionBody,
    source: String,
}

/// `definition_version`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct DefinitionRow {
    id: Uuid,
    body: String,
    lifecycle: String,
    valid_from: i64,
    version: u32,
    #[serde(default)]
    valid_to: Option<i64>,
    // For people who read the table.
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    actor: String,
    #[serde(default)]
    reason: String,
}

impl Row for DefinitionRow {
    const TABLE: &'static str = "definition_version";
}

impl DefinitionRow {
    pub(in crate::store) fn new(definition: &Definition, actor: &str, reason: &str) -> Result<Self, StoreError> {
        Ok(Self {
            id: definition.id.0,
            body: json(&BodyText { body: definition.body.clone(), source: definition.source.to_string() })?,
            lifecycle: definition.lifecycle.as_str().into(),
            valid_from: definition.valid_from.as_millis(),
            version: definition.version,
            valid_to: None,
            kind: definition.body.kind().as_str().into(),
            name: definition.body.name(),
            actor: actor.into(),
            reason: reason.into(),
        })
    }
}

impl Decode for DefinitionRow {
    type Record = Put;
    fn decode(self) -> Result<Put, StoreError> {
        let at = At::row::<Self>(&self.id);
        let text = at.json::<BodyText>("body", &self.body)?;
        Ok(Put::Definition(Definition {
            id: DefinitionId(self.id),
            source: at.source("body", &text.source)?,
            body: text.body,
            lifecycle: at.lifecycle(&self.lifecycle)?,
            valid_from: time(self.valid_from),
            version: self.version,
        }))
    }
}

impl Version for DefinitionRow {
    fn thing(&self) -> Uuid {
        self.id
    }
    fn valid_from(&self) -> i64 {
        self.valid_from
    }
    fn close(&mut self, at: i64) {
        self.valid_to = Some(at);
    }
}
