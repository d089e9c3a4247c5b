use std::collections::HashSet;

use rollcall_shared::{AgentId, DocumentId, Timestamp, wire::v1::Exchange};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{PostgresStore, Result};
use crate::store::{
    DocumentRecord, Inventory, UnchangedCheckIn,
    codec::{self, DocumentRow, InventoryRow, UnchangedRow, count},
    columns,
};

const INVENTORIES: &str = json_rows!(
    columns::inventory!(),
    "FROM inventory AS i JOIN seen AS s ON s.agent = i.agent JOIN agent AS a ON a.id = i.agent WHERE i.agent = ANY($1)"
);
const INSERT_DOCUMENTS: &str = "INSERT INTO document (id, agent, received_at, body)
    SELECT r.id, r.agent, r.received_at, substr($2, r.position, r.length)
    FROM json_to_recordset($1::json) AS r (
        id uuid, agent uuid, received_at bigint, position integer, length integer) ON CONFLICT (id) DO NOTHING";
const PUT_SEEN: &str = "UPDATE seen SET counter = i.counter, nonce = i.nonce, root = i.root, clock_skew_ms = i.clock_skew_ms,
        last_seen = greatest(coalesce(seen.last_seen, i.last_seen), i.last_seen)
    FROM json_to_recordset($1::json) AS i (
        agent uuid, counter bigint, nonce uuid, root text, clock_skew_ms bigint, last_seen bigint)
    WHERE seen.agent = i.agent";
const PUT_INVENTORIES: &str = "INSERT INTO inventory (agent, agent_version, dropped_documents, superseded_inventories, sections)
    SELECT r.agent, r.agent_version, r.dropped_documents, r.superseded_inventories, r.sections::json
    FROM json_to_recordset($1::json) AS r (
        agent uuid, agent_version text, dropped_documents bigint, superseded_inventories bigint, sections text)
    ON CONFLICT (agent) DO UPDATE SET agent_version = excluded.agent_version, dropped_documents = excluded.dropped_documents,
        superseded_inventories = excluded.superseded_inventories, sections = excluded.sections";
const NOTE_UNCHANGED: &str =
    "UPDATE seen SET counter = c.counter, nonce = c.nonce, last_seen = greatest(coalesce(seen.last_seen, c.at), c.at)
    FROM json_to_recordset($1::json) AS c (
        agent uuid, generation bigint, root text, counter bigint, nonce uuid, at bigint)
    WHERE seen.agent = c.agent AND seen.state = 'active' AND seen.generation = c.generation AND seen.root = c.root
        AND seen.counter + 1 = c.counter
    RETURNING seen.agent";
/// The last document of the next page of those received before $1, from after ($2, $3).
const PRUNE_PAGE: &str = "SELECT received_at, id FROM document WHERE (received_at, id) > ($2, $3) AND received_at < $1
    ORDER BY received_at, id LIMIT 1 OFFSET 1999";
const PRUNE: &str = "DELETE FROM document WHERE (received_at, id) > ($1, $2) AND (received_at, id) <= ($3, $4)
    AND NOT EXISTS (SELECT 1 FROM inventory AS i, json_each(i.sections) AS section (name, state)
                    WHERE i.agent = document.agent AND section.state ->> 'document' = document.id::text)";

impl PostgresStore {
    pub(super) async fn inventories_of(&self, agents: &[AgentId]) -> Result<Vec<Inventory>> {
        self.read::<InventoryRow>(sqlx::query_scalar(INVENTORIES).bind(uuids(agents))).await
    }

    pub(super) async fn document_body(&self, id: DocumentId) -> Result<Option<Vec<u8>>> {
        Ok(sqlx::query_scalar("SELECT body FROM document WHERE id = $1").bind(id.0).fetch_optional(&self.pool).await?)
    }

    pub(super) async fn stored_documents(&self, ids: &[DocumentId]) -> Result<Vec<DocumentId>> {
        let ids_only: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let known: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM document WHERE id = ANY($1)").bind(ids_only).fetch_all(&self.pool).await?;
        let known: HashSet<Uuid> = known.into_iter().collect();
        Ok(ids.iter().copied().filter(|id| known.contains(&id.0)).collect())
    }

    pub(super) async fn note_all_unchanged(&self, check_ins: &[UnchangedCheckIn]) -> Result<Vec<bool>> {
        // One row is updated once by a statement: a second word of the same agent takes the careful path.
        let mut first = HashSet::new();
        let is_first: Vec<bool> = check_ins.iter().map(|check_in| first.insert(check_in.agent)).collect();
        let rows: Vec<UnchangedRow> = check_ins.iter().zip(&is_first).filter(|(_, first)| **first).map(|(it, _)| it.into()).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let matched: Vec<Uuid> = sqlx::query_scalar(NOTE_UNCHANGED).bind(codec::json(&rows)?).fetch_all(&self.pool).await?;
        let matched: HashSet<AgentId> = matched.into_iter().map(AgentId).collect();
        Ok(check_ins.iter().zip(is_first).map(|(check_in, first)| first && matched.contains(&check_in.agent)).collect())
    }

    pub(super) async fn note_one_exchange(&self, agent: AgentId, expected_counter: u64, exchange: Exchange, at: Timestamp) -> Result<bool> {
        let noted = sqlx::query(
            "UPDATE seen SET counter = $3, nonce = $4, last_seen = greatest(coalesce(last_seen, $5), $5) WHERE agent = $1 AND counter = $2",
        )
        .bind(agent.0)
        .bind(count(expected_counter))
        .bind(count(exchange.counter))
        .bind(exchange.nonce)
        .bind(at.as_millis())
        .execute(&self.pool)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    pub(super) async fn delete_documents(&self, before: Timestamp) -> Result<u64> {
        let mut deleted = 0;
        let mut from = (i64::MIN, Uuid::nil());
        loop {
            let page: Option<(i64, Uuid)> =
                sqlx::query_as(PRUNE_PAGE).bind(before.as_millis()).bind(from.0).bind(from.1).fetch_optional(&self.pool).await?;
            // One transaction a page, so that commits get their turn. The last page ends before the first id at `before`.
            let to = page.unwrap_or((before.as_millis(), Uuid::nil()));
            let done = sqlx::query(PRUNE).bind(from.0).bind(from.1).bind(to.0).bind(to.1).execute(&self.pool).await?;
            deleted += done.rows_affected();
            match page {
                Some(last) => from = last,
                None => return Ok(deleted),
            }
        }
    }
}

fn uuids(agents: &[AgentId]) -> Vec<Uuid> {
    agents.iter().map(|agent| agent.0).collect()
}

pub(super) async fn insert_documents(tx: &mut Transaction<'static, Postgres>, documents: &[DocumentRecord]) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let (rows, bodies) = DocumentRow::all(documents);
    sqlx::query(INSERT_DOCUMENTS).bind(codec::json(&rows)?).bind(bodies).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn put_inventories(tx: &mut Transaction<'static, Postgres>, inventories: &[Inventory]) -> Result<()> {
    if inventories.is_empty() {
        return Ok(());
    }
    // Of several of one agent the last stands.
    let newest: std::collections::HashMap<AgentId, &Inventory> = inventories.iter().map(|inventory| (inventory.agent, inventory)).collect();
    let rows = newest.into_values().map(InventoryRow::new).collect::<Result<Vec<_>>>()?;
    let rows = codec::json(&rows)?;
    sqlx::query(PUT_INVENTORIES).bind(&rows).execute(&mut **tx).await?;
    sqlx::query(PUT_SEEN).bind(&rows).execute(&mut **tx).await?;
    Ok(())
}
