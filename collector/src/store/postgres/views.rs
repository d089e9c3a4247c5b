use rollcall_shared::ViewId;

use super::{PostgresStore, Result, agents::finish};
use crate::store::{
    AuditEntry, ViewRecord,
    codec::{self, ViewRow},
    columns,
};

/// Nothing, if the owner has another view of that name.
const SAVE: &str = "INSERT INTO saved_view (id, owner, name, filter, sort, columns, shared, created_at, changed_at)
    SELECT r.id, r.owner, r.name, r.filter, r.sort, r.columns, r.shared <> 0, r.created_at, r.changed_at
    FROM json_to_recordset($1::json) AS r (
        id uuid, owner uuid, name text, filter text, sort text, columns text, shared integer, created_at bigint, changed_at bigint)
    WHERE NOT EXISTS (SELECT 1 FROM saved_view AS other
        WHERE other.owner = r.owner AND other.name = r.name AND other.id <> r.id)
    ON CONFLICT (id) DO UPDATE SET name = excluded.name, filter = excluded.filter, sort = excluded.sort,
        columns = excluded.columns, shared = excluded.shared, changed_at = excluded.changed_at";
const VIEWS: &str = json_rows!(columns::saved_view!(), order "name COLLATE \"C\", id", "FROM saved_view");

impl PostgresStore {
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
        let deleted = sqlx::query("DELETE FROM saved_view WHERE id = $1").bind(id.0).execute(&mut *tx).await?;
        finish(tx, deleted.rows_affected() == 1, audit).await
    }
}
