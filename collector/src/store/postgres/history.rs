use rollcall_shared::{CiId, Timestamp};
use sqlx::{Postgres, Transaction};

use super::{PostgresStore, Result};
use crate::store::{
    AuditEntry, CiVersion, Event,
    codec::{self, AuditRow, CiRow, EventRow, count},
    columns,
};

const VERSIONS: &str = json_rows!(
    concat!(columns::ci!(), ", valid_to, revision, actor, reason, CAST(differs AS TEXT)"),
    "FROM (SELECT * FROM ci_version WHERE id = $1 ORDER BY version DESC LIMIT $2) AS newest"
);
const VERSIONS_OF_EACH: &str = json_rows!(
    concat!(columns::ci!(), ", valid_to, revision, actor, reason, CAST(differs AS TEXT)"),
    "FROM (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY version DESC) AS place FROM ci_version
         WHERE id = ANY($1)) AS placed
     WHERE place <= $2 ORDER BY id, version DESC) AS newest"
);
const EVENTS_AFTER: &str = json_rows!(columns::event!(), "FROM (SELECT * FROM event WHERE cursor > $1 ORDER BY cursor LIMIT $2) AS newest");
/// Each half takes its own index, newest first, and stops at the limit.
const EVENTS_ABOUT: &str = json_rows!(
    columns::event!(),
    "FROM (SELECT * FROM (SELECT * FROM event WHERE ci = $1 ORDER BY cursor DESC LIMIT $2) AS own
     UNION ALL SELECT * FROM (SELECT * FROM event WHERE other_ci = $1 AND ci IS DISTINCT FROM $1 ORDER BY cursor DESC LIMIT $2) AS other
     ORDER BY cursor DESC LIMIT $2) AS newest"
);
/// Of each thing the newest. Every event about these CIs is looked at, by its index.
const NEWEST: &str = json_rows!(
    columns::event!(),
    "FROM event WHERE cursor IN (SELECT max(cursor) FROM event WHERE ci = ANY($1) AND at <= $2 GROUP BY kind, subject)"
);
const AUDIT: &str =
    json_rows!(columns::audit!(), "FROM (SELECT * FROM audit_log WHERE number < $1 ORDER BY number DESC LIMIT $2) AS newest");

impl PostgresStore {
    pub(super) async fn versions_of(&self, ci: CiId, limit: u32) -> Result<Vec<CiVersion>> {
        let text: String = sqlx::query_scalar(VERSIONS).bind(ci.0).bind(i64::from(limit)).fetch_one(&self.pool).await?;
        codec::rows::<CiRow>(&text)?.into_iter().map(CiRow::version).collect()
    }

    pub(super) async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<Event>> {
        self.read::<EventRow>(sqlx::query_scalar(EVENTS_AFTER).bind(count(after)).bind(i64::from(limit))).await
    }

    pub(super) async fn events_about(&self, ci: CiId, limit: u32) -> Result<Vec<Event>> {
        self.read::<EventRow>(sqlx::query_scalar(EVENTS_ABOUT).bind(ci.0).bind(i64::from(limit))).await
    }

    pub(super) async fn versions_of_each(&self, cis: &[CiId], each: u32) -> Result<Vec<CiVersion>> {
        let cis: Vec<uuid::Uuid> = cis.iter().map(|ci| ci.0).collect();
        let text: String = sqlx::query_scalar(VERSIONS_OF_EACH).bind(cis).bind(i64::from(each)).fetch_one(&self.pool).await?;
        codec::rows::<CiRow>(&text)?.into_iter().map(CiRow::version).collect()
    }

    pub(super) async fn newest_events_about(&self, cis: &[CiId], until: Timestamp) -> Result<Vec<Event>> {
        let cis: Vec<uuid::Uuid> = cis.iter().map(|ci| ci.0).collect();
        self.read::<EventRow>(sqlx::query_scalar(NEWEST).bind(cis).bind(until.as_millis())).await
    }

    pub(super) async fn audit_before(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, AuditEntry)>> {
        self.read::<AuditRow>(sqlx::query_scalar(AUDIT).bind(before.map_or(i64::MAX, count)).bind(i64::from(limit))).await
    }
}

pub(super) async fn insert_audit(tx: &mut Transaction<'static, Postgres>, entries: &[AuditEntry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<AuditRow> = entries.iter().map(AuditRow::from).collect();
    sqlx::query(
        "INSERT INTO audit_log (at, actor, action, subject, detail)
         SELECT r.at, r.actor, r.action, r.subject, r.detail
         FROM json_to_recordset($1::json) AS r (
        at bigint, actor text, action text, subject text, detail text)",
    )
    .bind(codec::json(&rows)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
