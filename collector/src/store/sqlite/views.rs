use rollcall_shared::ViewId;

use super::{Result, SqliteStore, agents::finish};
use crate::store::{
    AuditEntry, ViewRecord,
    codec::{self, ViewRow},
    columns,
};

/// Nothing, if the owner has another view of that name.
const SAVE: &str = "INSERT INTO saved_view (id, owner, name, filter, sort, columns, shared, created_at, changed_at)
    SELECT value ->> 'id', value ->> 'owner', value ->> 'name', value ->> 'filter', value ->> 'sort', value ->> 'columns',
           value ->> 'shared', value ->> 'created_at', value ->> 'changed_at'
    FROM json_each(?1)
    WHERE NOT EXISTS (SELECT 1 FROM saved_view AS other
        WHERE other.owner = value ->> 'owner' AND other.name = value ->> 'name' AND other.id <> value ->> 'id')
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, filter = excluded.filter, sort = excluded.sort,
        columns = excluded.columns, shared = excluded.shared, changed_at = excluded.changed_at";
const VIEWS: &str = json_rows!(columns::saved_view!(), order "name, id", "FROM saved_view");

impl SqliteStore {
    pub(super) async fn put_view(&self, view: &ViewRecord, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let saved = sqlx::query(SAVE).bind(codec::json(&[ViewRow::from(view)])?).execute(&mut *tx).await?;
        finish(tx, saved.rows_affected() == 1, audit).await
    }

    pub(super) async fn all_views(&self) -> Result<Vec<ViewRecord>> {
        self.read::<ViewRow>(sqlx::query_scalar(VIEWS)).await
    }

    pub(super) async fn drop_view(&self, id: ViewId, audit: &AuditEntry) -> Result<bool> {
        let mut tx = self.write().await?;
        let deleted = sqlx::query("DELETE FROM saved_view WHERE id = ?1").bind(id.to_string()).execute(&mut *tx).await?;
        finish(tx, deleted.rows_affected() == 1, audit).await
    }
}
