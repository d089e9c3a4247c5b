use std::collections::{HashMap, HashSet};

use rollcall_core::Revision;
use serde::Serialize;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{
    PostgresStore, Result, history, inventory,
    revisions::{CHANNEL, advance},
};
use crate::store::{
    Batch, StoreError,
    catalogue::Numbers,
    codec::{self, EventRow, count},
    plan::{Closing, Known, Plan, Versions},
};

/// Closes the versions that stand of what $1 lists; tells of which there was one.
macro_rules! close {
    ($table:literal, $id:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET valid_to = greatest(valid_from, closing.at)
             FROM json_to_recordset($1::json) AS closing (id uuid, at bigint)
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
    SELECT r.id, r.version, r.class, r.name, r.lifecycle, r.attributes::json,
           r.keys::json, r.agent, r.merged_into, r.first_seen, r.valid_from,
           r.valid_to, $2, r.actor, r.reason, r.differs::json, r.stage, r.sighting
    FROM json_to_recordset($1::json) AS r (
        id uuid, version bigint, class text, name text, lifecycle text, attributes text, keys text, agent
        uuid, merged_into uuid, first_seen bigint, valid_from bigint, valid_to bigint, actor text, reason
        text, differs text, stage text, sighting text)";

const CLOSE_DEFINITIONS: &str = close!("definition_version", "id");
const INSERT_DEFINITIONS: &str = "INSERT INTO definition_version
    (id, version, kind, name, body, lifecycle, valid_from, valid_to, revision, actor, reason)
    SELECT r.id, r.version, r.kind, r.name, r.body::json, r.lifecycle, r.valid_from, r.valid_to, $2, r.actor, r.reason
    FROM json_to_recordset($1::json) AS r (
        id uuid, version bigint, kind text, name text, body text, lifecycle text, valid_from bigint, valid_to bigint, actor text,
        reason text)";

const CLOSE_RELATIONSHIPS: &str = close!("relationship_version", "id");
const INSERT_RELATIONSHIPS: &str = "INSERT INTO relationship_version
    (id, version, kind, from_ci, to_ci, hardness, judgement, lifecycle, evidence, first_seen, valid_from, valid_to, revision)
    SELECT r.id, r.version, r.kind, r.from_ci, r.to_ci, r.hardness, r.judgement,
           r.lifecycle, r.evidence::json, r.first_seen, r.valid_from, r.valid_to, $2
    FROM json_to_recordset($1::json) AS r (
        id uuid, version bigint, kind text, from_ci uuid, to_ci uuid, hardness text, judgement text, lifecycle text,
        evidence text, first_seen bigint, valid_from bigint, valid_to bigint)";

const CLOSE_NEED_GROUPS: &str = close!("need_group_version", "id");
const INSERT_NEED_GROUPS: &str = "INSERT INTO need_group_version
    (id, version, ci, name, members, min_up, min_up_unit, hardness, lifecycle, standing, suggestion, source, valid_from, valid_to, revision)
    SELECT r.id, r.version, r.ci, r.name, r.members::json, r.min_up,
           r.min_up_unit, r.hardness, r.lifecycle, r.standing, r.suggestion, r.source, r.valid_from,
           r.valid_to, $2
    FROM json_to_recordset($1::json) AS r (
        id uuid, version bigint, ci uuid, name text, members text, min_up bigint, min_up_unit text, hardness
        text, lifecycle text, standing text, suggestion text, source text, valid_from bigint, valid_to bigint)";

const CLOSE_BINDINGS: &str = close!("agent_binding", "agent");
const INSERT_BINDINGS: &str = "INSERT INTO agent_binding (agent, ci, valid_from, valid_to, revision)
    SELECT r.agent, r.ci, r.valid_from, r.valid_to, $2 FROM json_to_recordset($1::json) AS r (agent uuid, ci uuid, valid_from bigint, valid_to bigint)";

const CLOSE_SOFTWARE_SETS: &str = close!("software_set", "ci");
const INSERT_SOFTWARE_SETS: &str = "INSERT INTO software_set (ci, ids, valid_from, valid_to, revision)
    SELECT r.ci, translate(r.ids, '[]', '{}')::integer[], r.valid_from, r.valid_to, $2 FROM json_to_recordset($1::json) AS r (ci uuid, ids text, valid_from bigint, valid_to bigint)";

const KNOWN_CONFLICTS: &str = "SELECT id FROM identity_conflict WHERE id IN (SELECT r.id FROM json_to_recordset($1::json) AS r (id uuid))";
const PUT_CONFLICTS: &str = "INSERT INTO identity_conflict
    (id, kind, known, other, agent, detail, state, opened_at, settled_at, revision)
    SELECT r.id, r.kind, r.known, r.other, r.agent, r.detail,
           r.state, r.opened_at, r.settled_at, $2
    FROM json_to_recordset($1::json) AS r (
        id uuid, kind text, known uuid, other uuid, agent uuid, detail text, state text, opened_at bigint,
        settled_at bigint)
    ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, known = excluded.known, other = excluded.other, agent = excluded.agent,
        detail = excluded.detail, state = excluded.state, opened_at = excluded.opened_at, settled_at = excluded.settled_at,
        revision = excluded.revision";

const PUT_MERGES: &str = "INSERT INTO merge_record (absorbed, survivor, at, by_rule, is_undone, steps, revision)
    SELECT r.absorbed, r.survivor, r.at, r.by_rule, r.is_undone, r.steps::json, $2
    FROM json_to_recordset($1::json) AS r (
        absorbed uuid, survivor uuid, at bigint, by_rule bigint, is_undone bigint, steps text)
    ON CONFLICT (absorbed) DO UPDATE SET survivor = excluded.survivor, at = excluded.at, by_rule = excluded.by_rule,
        is_undone = excluded.is_undone, steps = excluded.steps, revision = excluded.revision";

/// Under the writer lock, so the catalogue stays dense; a sequence would leave gaps.
const INSERT_SOFTWARE: &str = "INSERT INTO software (id, kind, name, version, architecture, publisher, digest)
    SELECT (SELECT coalesce(max(id), 0) FROM software) + row_number() OVER (), r.kind, r.name, r.version, r.architecture, r.publisher, r.digest
    FROM json_to_recordset($1::json) AS r (
        kind text, name text, version text, architecture text, publisher text, digest text)
    WHERE NOT EXISTS (SELECT 1 FROM software AS known WHERE known.digest = r.digest)";
const SOFTWARE_NUMBERS: &str = "SELECT coalesce(json_object_agg(digest, id), '{}')::text FROM software
    WHERE digest IN (SELECT r.digest FROM json_to_recordset($1::json) AS r (digest text))";

const INSERT_EVENTS: &str = "INSERT INTO event (revision, at, kind, action, subject, ci, other_ci, actor, reason, differs)
    SELECT $2, r.at, r.kind, r.action, r.subject, r.ci, r.other_ci,
           r.actor, r.reason, r.differs::json
    FROM json_to_recordset($1::json) AS r (
        at bigint, kind text, action text, subject uuid, ci uuid, other_ci uuid, actor text, reason text,
        differs text)";

impl PostgresStore {
    pub(super) async fn commit_batch(&self, base: Revision, batch: &Batch) -> Result<Revision> {
        let plan = Plan::new(batch)?;
        let mut tx = self.write().await?;
        let stands: i64 = sqlx::query_scalar("SELECT revision FROM installation FOR UPDATE").fetch_one(&mut *tx).await?;
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
        sqlx::query("UPDATE installation SET revision = $1").bind(count(revision.0)).execute(&mut *tx).await?;
        sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(revision.0.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        numbers.learn();
        advance(&self.revision, revision);
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
    tx: Transaction<'static, Postgres>,
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
        let ids: Vec<Uuid> = sqlx::query_scalar(sql).bind(codec::json(rows)?).fetch_all(&mut *self.tx).await?;
        Ok(ids.into_iter().collect())
    }
}
