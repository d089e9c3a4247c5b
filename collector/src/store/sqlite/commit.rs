use std::collections::{HashMap, HashSet};

use rollcall_core::Revision;
use serde::Serialize;
use sqlx::{Sqlite, Transaction};
use uuid::Uuid;

use super::{Result, SqliteStore, history, inventory};
use crate::store::{
    Batch, StoreError,
    catalogue::Numbers,
    codec::{self, EventRow, count},
    plan::{Closing, Known, Plan, Versions},
};

/// Closes the versions that stand of what ?1 lists; tells of which there was one.
macro_rules! close {
    ($table:literal, $id:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET valid_to = max(valid_from, closing.at)
             FROM (SELECT value ->> 'id' AS id, value ->> 'at' AS at FROM json_each(?1)) AS closing
             WHERE ",
            $table,
            ".",
            $id,
            " = closing.id AND ",
            $table,
            ".valid_to IS NULL
             RETURNING ",
            $table,
            ".",
            $id
        )
    };
}

const CLOSE_CIS: &str = close!("ci_version", "id");
const INSERT_CIS: &str = "INSERT INTO ci_version
    (id, version, class, name, lifecycle, attributes, keys, agent, merged_into, first_seen, valid_from, valid_to, revision, actor, reason, differs, stage, sighting)
    SELECT value ->> 'id', value ->> 'version', value ->> 'class', value ->> 'name', value ->> 'lifecycle', value ->> 'attributes',
           value ->> 'keys', value ->> 'agent', value ->> 'merged_into', value ->> 'first_seen', value ->> 'valid_from',
           value ->> 'valid_to', ?2, value ->> 'actor', value ->> 'reason', value ->> 'differs', value ->> 'stage', value ->> 'sighting'
    FROM json_each(?1)";

const CLOSE_DEFINITIONS: &str = close!("definition_version", "id");
const INSERT_DEFINITIONS: &str = "INSERT INTO definition_version
    (id, version, kind, name, body, lifecycle, valid_from, valid_to, revision, actor, reason)
    SELECT value ->> 'id', value ->> 'version', value ->> 'kind', value ->> 'name', value ->> 'body', value ->> 'lifecycle',
           value ->> 'valid_from', value ->> 'valid_to', ?2, value ->> 'actor', value ->> 'reason'
    FROM json_each(?1)";

const CLOSE_RELATIONSHIPS: &str = close!("relationship_version", "id");
const INSERT_RELATIONSHIPS: &str = "INSERT INTO relationship_version
    (id, version, kind, from_ci, to_ci, hardness, judgement, lifecycle, evidence, first_seen, valid_from, valid_to, revision)
    SELECT value ->> 'id', value ->> 'version', value ->> 'kind', value ->> 'from_ci', value ->> 'to_ci', value ->> 'hardness', value ->> 'judgement',
           value ->> 'lifecycle', value ->> 'evidence', value ->> 'first_seen', value ->> 'valid_from', value ->> 'valid_to', ?2
    FROM json_each(?1)";

const CLOSE_NEED_GROUPS: &str = close!("need_group_version", "id");
const INSERT_NEED_GROUPS: &str = "INSERT INTO need_group_version
    (id, version, ci, name, members, min_up, min_up_unit, hardness, lifecycle, standing, suggestion, source, valid_from, valid_to, revision)
    SELECT value ->> 'id', value ->> 'version', value ->> 'ci', value ->> 'name', value ->> 'members', value ->> 'min_up',
           value ->> 'min_up_unit', value ->> 'hardness', value ->> 'lifecycle', value ->> 'standing', value ->> 'suggestion', value ->> 'source', value ->> 'valid_from',
           value ->> 'valid_to', ?2
    FROM json_each(?1)";

const CLOSE_BINDINGS: &str = close!("agent_binding", "agent");
const INSERT_BINDINGS: &str = "INSERT INTO agent_binding (agent, ci, valid_from, valid_to, revision)
    SELECT value ->> 'agent', value ->> 'ci', value ->> 'valid_from', value ->> 'valid_to', ?2 FROM json_each(?1)";

const CLOSE_SOFTWARE_SETS: &str = close!("software_set", "ci");
const INSERT_SOFTWARE_SETS: &str = "INSERT INTO software_set (ci, ids, valid_from, valid_to, revision)
    SELECT value ->> 'ci', value ->> 'ids', value ->> 'valid_from', value ->> 'valid_to', ?2 FROM json_each(?1)";

const KNOWN_CONFLICTS: &str = "SELECT id FROM identity_conflict WHERE id IN (SELECT value ->> 'id' FROM json_each(?1))";
const PUT_CONFLICTS: &str = "INSERT INTO identity_conflict
    (id, kind, known, other, agent, detail, state, opened_at, settled_at, revision)
    SELECT value ->> 'id', value ->> 'kind', value ->> 'known', value ->> 'other', value ->> 'agent', value ->> 'detail',
           value ->> 'state', value ->> 'opened_at', value ->> 'settled_at', ?2
    FROM json_each(?1) WHERE true
    ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, known = excluded.known, other = excluded.other, agent = excluded.agent,
        detail = excluded.detail, state = excluded.state, opened_at = excluded.opened_at, settled_at = excluded.settled_at,
        revision = excluded.revision";

const PUT_MERGES: &str = "INSERT INTO merge_record (absorbed, survivor, at, by_rule, is_undone, steps, revision)
    SELECT value ->> 'absorbed', value ->> 'survivor', value ->> 'at', value ->> 'by_rule', value ->> 'is_undone', value ->> 'steps', ?2
    FROM json_each(?1) WHERE true
    ON CONFLICT (absorbed) DO UPDATE SET survivor = excluded.survivor, at = excluded.at, by_rule = excluded.by_rule,
        is_undone = excluded.is_undone, steps = excluded.steps, revision = excluded.revision";

/// SQLite numbers rows by one more than the highest, so the catalogue stays dense.
const INSERT_SOFTWARE: &str = "INSERT INTO software (kind, name, version, architecture, publisher, digest)
    SELECT value ->> 'kind', value ->> 'name', value ->> 'version', value ->> 'architecture', value ->> 'publisher', value ->> 'digest'
    FROM json_each(?1) WHERE true ON CONFLICT (digest) DO NOTHING";
const SOFTWARE_NUMBERS: &str = "SELECT json_group_object(digest, id) FROM software
    WHERE digest IN (SELECT value ->> 'digest' FROM json_each(?1))";

const INSERT_EVENTS: &str = "INSERT INTO event (revision, at, kind, action, subject, ci, other_ci, actor, reason, differs)
    SELECT ?2, value ->> 'at', value ->> 'kind', value ->> 'action', value ->> 'subject', value ->> 'ci', value ->> 'other_ci',
           value ->> 'actor', value ->> 'reason', value ->> 'differs'
    FROM json_each(?1) ORDER BY key";

impl SqliteStore {
    pub(super) async fn commit_batch(&self, base: Revision, batch: &Batch) -> Result<Revision> {
        let plan = Plan::new(batch)?;
        let mut tx = self.write().await?;
        let stands: i64 = sqlx::query_scalar("SELECT revision FROM installation").fetch_one(&mut *tx).await?;
        let stands = Revision(stands.unsigned_abs());
        if stands != base {
            return Err(StoreError::Behind(stands));
        }
        let revision = Revision(base.0 + 1);
        let mut write = Write { tx, revision: count(revision.0) };
        write.versions(&plan.definitions, CLOSE_DEFINITIONS, INSERT_DEFINITIONS).await?;
        write.versions(&plan.cis, CLOSE_CIS, INSERT_CIS).await?;
        write.versions(&plan.relationships, CLOSE_RELATIONSHIPS, INSERT_RELATIONSHIPS).await?;
        write.versions(&plan.need_groups, CLOSE_NEED_GROUPS, INSERT_NEED_GROUPS).await?;
        let bindings = write.versions(&plan.bindings, CLOSE_BINDINGS, INSERT_BINDINGS).await?;
        let mut known = Known { bindings, ..Known::default() };
        let numbers = self.number_software(&mut write, &plan).await?;
        let sets = plan.software_sets(|entry| numbers.of(entry))?;
        known.software = write.versions(&sets, CLOSE_SOFTWARE_SETS, INSERT_SOFTWARE_SETS).await?;
        if !plan.conflicts.is_empty() {
            known.conflicts = write.ids(KNOWN_CONFLICTS, &plan.conflicts).await?;
            write.insert(PUT_CONFLICTS, &plan.conflicts).await?;
        }
        write.insert(PUT_MERGES, &plan.merges).await?;
        write.insert::<EventRow>(INSERT_EVENTS, &plan.events(known)?).await?;
        let mut tx = write.tx;
        inventory::insert_documents(&mut tx, &batch.documents).await?;
        inventory::put_inventories(&mut tx, &batch.inventories).await?;
        history::insert_audit(&mut tx, &batch.audit).await?;
        sqlx::query("UPDATE installation SET revision = ?1").bind(count(revision.0)).execute(&mut *tx).await?;
        tx.commit().await?;
        numbers.learn();
        self.revision.send_replace(revision);
        self.written.notify_one();
        Ok(revision)
    }

    async fn number_software<'a>(&'a self, write: &mut Write, plan: &Plan<'a>) -> Result<Numbers<'a>> {
        let missing = self.catalogue.missing(plan.software());
        if missing.is_empty() {
            return Ok(self.catalogue.numbers(missing.into_keys(), &HashMap::new()));
        }
        let rows = codec::json(&missing.values().collect::<Vec<_>>())?;
        sqlx::query(INSERT_SOFTWARE).bind(&rows).execute(&mut *write.tx).await?;
        let told: String = sqlx::query_scalar(SOFTWARE_NUMBERS).bind(&rows).fetch_one(&mut *write.tx).await?;
        let told: HashMap<String, u32> = serde_json::from_str(&told).map_err(|error| StoreError::Corrupt {
            table: "software",
            id: "(unknown)".into(),
            column: "id",
            problem: error.to_string(),
        })?;
        Ok(self.catalogue.numbers(missing.into_keys(), &told))
    }
}

/// One commit's transaction.
struct Write {
    tx: Transaction<'static, Sqlite>,
    revision: i64,
}

impl Write {
    /// Closes what stood and inserts what stands now; tells of what there was something before.
    async fn versions<T: Serialize>(&mut self, versions: &Versions<T>, close: &'static str, insert: &'static str) -> Result<HashSet<Uuid>> {
        if versions.rows.is_empty() {
            return Ok(HashSet::new());
        }
        let known = self.ids::<Closing>(close, &versions.closings).await?;
        self.insert(insert, &versions.rows).await?;
        Ok(known)
    }

    async fn insert<T: Serialize>(&mut self, sql: &'static str, rows: &[T]) -> Result<()> {
        if !rows.is_empty() {
            sqlx::query(sql).bind(codec::json(rows)?).bind(self.revision).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    async fn ids<T: Serialize>(&mut self, sql: &'static str, rows: &[T]) -> Result<HashSet<Uuid>> {
        let ids: Vec<String> = sqlx::query_scalar(sql).bind(codec::json(rows)?).fetch_all(&mut *self.tx).await?;
        Ok(ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect())
    }
}
