use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, json, time};
use crate::store::{ImportRecord, ImportState};

/// `import_job`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct ImportRow {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) state: String,
    pub(in crate::store) source: String,
    pub(in crate::store) created_at: i64,
    pub(in crate::store) updated_at: i64,
    pub(in crate::store) body: String,
}

impl Row for ImportRow {
    const TABLE: &'static str = "import_job";
}

impl ImportRow {
    pub(in crate::store) fn new(job: &ImportRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: job.id,
            state: job.state.as_str().to_owned(),
            source: job.source.clone(),
            created_at: job.created_at.as_millis(),
            updated_at: job.updated_at.as_millis(),
            body: json(&job.body)?,
        })
    }
}

impl Decode for ImportRow {
    type Record = ImportRecord;
    fn decode(self) -> Result<ImportRecord, StoreError> {
        let at = At::row::<Self>(&self.id);
        Ok(ImportRecord {
            id: self.id,
            state: at.word("state", &self.state, ImportState::parse)?,
            body: at.json("body", &self.body)?,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            source: self.source,
        })
    }
}
