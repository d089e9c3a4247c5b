//! What differs between two instants; retention.

use rollcall_core::Put;
use rollcall_shared::Timestamp;
use uuid::Uuid;

use super::{Result, SqliteStore};
use crate::store::{
    Cut, DifferingPage, Kept, Thinned,
    codec::{self, CiRow, NeedGroupRow, RelationshipRow, SoftwareRow},
    columns, installed,
};

/// Versions that stood at ?2 and were replaced by ?3; and those that came since and stand at ?3. Found by their times (the sign keeps the primary key out of it).
macro_rules! replaced {
    ($table:literal, $key:literal, $columns:expr) => {
        json_rows!(
            $columns,
            concat!(
                "FROM (SELECT * FROM ",
                $table,
                " WHERE +",
                $key,
                " > ?1 AND valid_to > ?2 AND valid_to <= ?3 AND valid_from <= ?2 ORDER BY +",
                $key,
                " LIMIT ?4)"
            )
        )
    };
}
macro_rules! came {
    ($table:literal, $key:literal, $columns:expr) => {
        json_rows!(
            $columns,
            concat!(
                "FROM (SELECT * FROM ",
                $table,
                " WHERE +",
                $key,
                " > ?1 AND valid_from > ?2 AND valid_from <= ?3 AND (valid_to IS NULL OR valid_to > ?3) ORDER BY +",
                $key,
                " LIMIT ?4)"
            )
        )
    };
}

const CIS: [&str; 2] = [replaced!("ci_version", "id", columns::ci!()), came!("ci_version", "id", columns::ci!())];
const RELATIONSHIPS: [&str; 2] =
    [replaced!("relationship_version", "id", columns::relationship!()), came!("relationship_version", "id", columns::relationship!())];
const NEED_GROUPS: [&str; 2] =
    [replaced!("need_group_version", "id", columns::need_group!()), came!("need_group_version", "id", columns::need_group!())];
const SOFTWARE: [&str; 2] = [replaced!("software_set", "ci", "ci, ids"), came!("software_set", "ci", "ci, ids")];

/// For each table with history: the version that stays of a period begins where the first of the period did; the others go. ?1 is the instant,
/// ?2 the period.
const THIN: [[&str; 2]; 5] = [
    [
        "UPDATE ci_version SET valid_from = part.low
         FROM (SELECT id AS thing, valid_to / ?2 AS period, min(valid_from) AS low, max(version) AS newest
               FROM ci_version WHERE valid_to <= ?1 GROUP BY id, valid_to / ?2 HAVING count(*) > 1) AS part
         WHERE ci_version.id = part.thing AND ci_version.version = part.newest",
        "DELETE FROM ci_version WHERE valid_to <= ?1 AND EXISTS (
            SELECT 1 FROM ci_version AS later WHERE later.id = ci_version.id AND later.version > ci_version.version AND later.valid_to <= ?1
            AND later.valid_to / ?2 = ci_version.valid_to / ?2)",
    ],
    [
        "UPDATE relationship_version SET valid_from = part.low
         FROM (SELECT id AS thing, valid_to / ?2 AS period, min(valid_from) AS low, max(version) AS newest
               FROM relationship_version WHERE valid_to <= ?1 GROUP BY id, valid_to / ?2 HAVING count(*) > 1) AS part
         WHERE relationship_version.id = part.thing AND relationship_version.version = part.newest",
        "DELETE FROM relationship_version WHERE valid_to <= ?1 AND EXISTS (
            SELECT 1 FROM relationship_version AS later WHERE later.id = relationship_version.id AND later.version > relationship_version.version AND later.valid_to <= ?1
            AND later.valid_to / ?2 = relationship_version.valid_to / ?2)",
    ],
    [
        "UPDATE need_group_version SET valid_from = part.low
         FROM (SELECT id AS thing, valid_to / ?2 AS period, min(valid_from) AS low, max(version) AS newest
               FROM need_group_version WHERE valid_to <= ?1 GROUP BY id, valid_to / ?2 HAVING count(*) > 1) AS part
         WHERE need_group_version.id = part.thing AND need_group_version.version = part.newest",
        "DELETE FROM need_group_version WHERE valid_to <= ?1 AND EXISTS (
            SELECT 1 FROM need_group_version AS later WHERE later.id = need_group_version.id AND later.version > need_group_version.version AND later.valid_to <= ?1
            AND later.valid_to / ?2 = need_group_version.valid_to / ?2)",
    ],
    [
        "UPDATE software_set SET valid_from = part.low
         FROM (SELECT ci AS thing, valid_to / ?2 AS period, min(valid_from) AS low, max(revision) AS newest
               FROM software_set WHERE valid_to <= ?1 GROUP BY ci, valid_to / ?2 HAVING count(*) > 1) AS part
         WHERE software_set.ci = part.thing AND software_set.revision = part.newest",
        "DELETE FROM software_set WHERE valid_to <= ?1 AND EXISTS (
            SELECT 1 FROM software_set AS later WHERE later.ci = software_set.ci AND later.revision > software_set.revision AND later.valid_to <= ?1
            AND later.valid_to / ?2 = software_set.valid_to / ?2)",
    ],
    [
        "UPDATE agent_binding SET valid_from = part.low
         FROM (SELECT agent AS thing, valid_to / ?2 AS period, min(valid_from) AS low, max(revision) AS newest
               FROM agent_binding WHERE valid_to <= ?1 GROUP BY agent, valid_to / ?2 HAVING count(*) > 1) AS part
         WHERE agent_binding.agent = part.thing AND agent_binding.revision = part.newest",
        "DELETE FROM agent_binding WHERE valid_to <= ?1 AND EXISTS (
            SELECT 1 FROM agent_binding AS later WHERE later.agent = agent_binding.agent AND later.revision > agent_binding.revision AND later.valid_to <= ?1
            AND later.valid_to / ?2 = agent_binding.valid_to / ?2)",
    ],
];

/// Reads rows of one kind of thing.
type Decoded = fn(&str) -> Result<Vec<Put>>;

impl SqliteStore {
    pub(super) async fn differing_between(
        &self,
        kind: Kept,
        from: Timestamp,
        to: Timestamp,
        after: Uuid,
        limit: u32,
    ) -> Result<DifferingPage> {
        let most = limit.max(1);
        let (statements, decode): ([&str; 2], Decoded) = match kind {
            Kept::Ci => (CIS, codec::records::<CiRow>),
            Kept::Relationship => (RELATIONSHIPS, codec::records::<RelationshipRow>),
            Kept::NeedGroup => (NEED_GROUPS, codec::records::<NeedGroupRow>),
            Kept::Software => return self.software_differing(from, to, after, most).await,
        };
        let [before, after] = self.both(statements, from, to, after, most).await?;
        Ok(DifferingPage::pair(decode(&before)?, decode(&after)?, most as usize))
    }

    async fn software_differing(&self, from: Timestamp, to: Timestamp, after: Uuid, limit: u32) -> Result<DifferingPage> {
        let mut sides = Vec::with_capacity(2);
        for text in self.both(SOFTWARE, from, to, after, limit).await? {
            let sets = installed::read_sets(&text)?;
            let wanted = codec::json(&installed::used_by(&sets))?;
            let entries: String = sqlx::query_scalar(super::estate::SOFTWARE_BY_ID).bind(wanted).fetch_one(&self.readers).await?;
            sides.push(installed::puts(sets, codec::records::<SoftwareRow>(&entries)?)?);
        }
        let after = sides.pop().unwrap_or_default();
        let before = sides.pop().unwrap_or_default();
        Ok(DifferingPage::pair(before, after, limit as usize))
    }

    async fn both(&self, statements: [&'static str; 2], from: Timestamp, to: Timestamp, after: Uuid, limit: u32) -> Result<[String; 2]> {
        let mut tx = self.readers.begin().await?;
        let mut sides = [String::new(), String::new()];
        for (side, statement) in sides.iter_mut().zip(statements) {
            let query =
                sqlx::query_scalar(statement).bind(after.to_string()).bind(from.as_millis()).bind(to.as_millis()).bind(i64::from(limit));
            *side = query.fetch_one(&mut *tx).await?;
        }
        Ok(sides)
    }

    pub(super) async fn last_event_removed(&self) -> Result<u64> {
        let removed: i64 = sqlx::query_scalar("SELECT events_from FROM installation").fetch_one(&self.readers).await?;
        Ok(removed.unsigned_abs())
    }

    pub(super) async fn thin_history(&self, cut: &Cut) -> Result<Thinned> {
        let mut tx = self.write().await?;
        let mut thinned = Thinned::default();
        if let Some(before) = cut.versions_before {
            for [stretch, delete] in THIN {
                for (statement, counts) in [(stretch, false), (delete, true)] {
                    let done = sqlx::query(statement).bind(before.as_millis()).bind(cut.period_ms.max(1)).execute(&mut *tx).await?;
                    thinned.versions += if counts { done.rows_affected() } else { 0 };
                }
            }
            sqlx::query("UPDATE installation SET whole_since = ?1 WHERE whole_since < ?1")
                .bind(before.as_millis())
                .execute(&mut *tx)
                .await?;
        }
        if let Some(before) = cut.events_before {
            let last: Option<i64> =
                sqlx::query_scalar("SELECT max(cursor) FROM event WHERE at < ?1").bind(before.as_millis()).fetch_one(&mut *tx).await?;
            if let Some(last) = last {
                let done = sqlx::query("DELETE FROM event WHERE cursor <= ?1").bind(last).execute(&mut *tx).await?;
                thinned.events = done.rows_affected();
                sqlx::query("UPDATE installation SET events_from = ?1").bind(last).execute(&mut *tx).await?;
            }
        }
        if let Some(before) = cut.audit_before {
            let done = sqlx::query("DELETE FROM audit_log WHERE at < ?1").bind(before.as_millis()).execute(&mut *tx).await?;
            thinned.audit = done.rows_affected();
        }
        tx.commit().await?;
        Ok(thinned)
    }
}
