use rollcall_shared::{UserId, ViewId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{At, Decode, Row, StoreError, time};
use crate::store::ViewRecord;

/// `saved_view`
#[derive(Serialize, Deserialize)]
pub(in crate::store) struct ViewRow {
    id: Uuid,
    owner: Uuid,
    name: String,
    filter: String,
    sort: String,
    columns: String,
    shared: u8,
    created_at: i64,
    changed_at: i64,
}

impl Row for ViewRow {
    const TABLE: &'static str = "saved_view";
}

impl From<&ViewRecord> for ViewRow {
    fn from(view: &ViewRecord) -> Self {
        Self {
            id: view.id.0,
            owner: view.owner.0,
            name: view.name.clone(),
            filter: view.filter.clone(),
            sort: view.sort.clone(),
            columns: serde_json::Value::from(view.columns.clone()).to_string(),
            shared: view.shared.into(),
            created_at: view.created_at.as_millis(),
            changed_at: view.changed_at.as_millis(),
        }
    }
}

impl Decode for ViewRow {
    type Record = ViewRecord;
    fn decode(self) -> Result<ViewRecord, StoreError> {
        Ok(ViewRecord {
            columns: At::row::<Self>(&self.id).json("columns", &self.columns)?,
            id: ViewId(self.id),
            owner: UserId(self.owner),
            name: self.name,
            filter: self.filter,
            sort: self.sort,
            shared: self.shared != 0,
            created_at: time(self.created_at),
            changed_at: time(self.changed_at),
        })
    }
}
