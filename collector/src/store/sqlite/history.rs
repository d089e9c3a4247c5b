use rollcall_shared::{CiId, Timestamp};
use sqlx::{Sqlite, Transaction};

use super::{Result, SqliteStore};
use crate::store::{
    AuditEntry, CiVersion, Event,
    codec::{self, AuditRow, CiRow, EventRow, count},
    columns,
};

const VERSIONS: &str = json_rows!(
    concat!(columns::ci!(), ", valid_to, revision, actor, reason, CAST(differs AS TEXT)"),
    "FROM (SELECT * FROM ci_version WHERE id = ?1 ORDER BY version DESC LIMIT ?2)"
);
/// ?1 is a JSON array.
const VERSIONS_OF_EACH: &str = json_rows!(
    concat!(columns::ci!(), ", valid_to, revision, actor, reason, CAST(differs AS TEXT)"),
    "FROM (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY id ORDER BY version DESC) AS place FROM ci_version
         WHERE id IN (SELECT value FROM json_each(?1)))
     WHERE place <= ?2 ORDER BY id, version DESC)"
);
const EVENTS_AFTER: &str = json_rows!(columns::event!(), "FROM (SELECT * FROM event WHERE cursor > ?1 ORDER BY cursor LIMIT ?2)");
/// Each half takes its own index, newest first, and stops at the limit.
const EVENTS_ABOUT: &str = json_rows!(
    columns::event!(),
    "FROM (SELECT * FROM (SELECT * FROM event WHERE ci = ?1 ORDER BY cursor DESC LIMIT ?2)
     UNION SELECT * FROM (SELECT * FROM event WHERE other_ci = ?1 ORDER BY cursor DESC LIMIT ?2)
     ORDER BY cursor DESC LIMIT ?2)"
);
/// Of each thing the newest. Every event about these CIs is looked at, by its index; ?1 is a JSON array.
const NEWEST: &str = json_rows!(
    columns::event!(),
    "FROM event WHERE cursor IN (
        SELECT max(cursor) FROM event WHERE ci IN (SELECT value FROM json_each(?1)) AND at <= ?2 GROUP BY kind, subject)"
);
const AUDIT: &str = json_rows!(columns::audit!(), "FROM (SELECT * FROM audit_log WHERE number < ?1 ORDER BY number DESC LIMIT ?2)");

impl SqliteStore {
    pub(super) async fn versions_of(&self, ci: CiId, limit: u32) -> Result<Vec<CiVersion>> {
        let text: String = sqlx::query_scalar(VERSIONS).bind(ci.to_string()).bind(limit).fetch_one(&self.readers).await?;
        codec::rows::<CiRow>(&text)?.into_iter().map(CiRow::version).collect()
    }

    pub(super) async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<Event>> {
        self.read::<EventRow>(sqlx::query_scalar(EVENTS_AFTER).bind(count(after)).bind(limit)).await
    }

    pub(super) async fn events_about(&self, ci: CiId, limit: u32) -> Result<Vec<Event>> {
        self.read::<EventRow>(sqlx::query_scalar(EVENTS_ABOUT).bind(ci.to_string()).bind(limit)).await
    }

    pub(super) async fn versions_of_each(&self, cis: &[CiId], each: u32) -> Result<Vec<CiVersion>> {
        let text: String = sqlx::query_scalar(VERSIONS_OF_EACH).bind(codec::json(cis)?).bind(each).fetch_one(&self.readers).await?;
        codec::rows::<CiRow>(&text)?.into_iter().map(CiRow::version).collect()
    }

    pub(super) async fn newest_events_about(&self, cis: &[CiId], until: Timestamp) -> Result<Vec<Event>> {
        self.read::<EventRow>(sqlx::query_scalar(NEWEST).bind(codec::json(cis)?).bind(until.as_millis())).await
    }

    pub(super) async fn audit_before(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, AuditEntry)>> {
        self.read::<AuditRow>(sqlx::query_scalar(AUDIT).bind(before.map_or(i64::MAX, count)).bind(limit)).await
    }
}

pub(super) async fn insert_audit(tx: &mut Transaction<'static, Sqlite>, entries: &[AuditEntry]) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<AuditRow> = entries.iter().map(AuditRow::from).collect();
    sqlx::query(
        "INSERT INTO audit_log (at, actor, action, subject, detail)
         SELECT value ->> 'at', value ->> 'actor', value ->> 'action', value ->> 'subject', value ->> 'detail'
         FROM json_each(?1) ORDER BY key",
    )
    .bind(codec::json(&rows)?)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
