use std::collections::HashSet;

use rollcall_shared::{AgentId, DocumentId, Timestamp, wire::v1::Exchange};
use sqlx::{Sqlite, Transaction};

use super::{Result, SqliteStore};
use crate::store::{
    DocumentRecord, Inventory, UnchangedCheckIn,
    codec::{self, DocumentRow, InventoryRow, UnchangedRow, count},
    columns,
};

const INVENTORIES: &str = json_rows!(
    columns::inventory!(),
    "FROM json_each(?1) AS wanted
     JOIN inventory AS i ON i.agent = wanted.value JOIN seen AS s ON s.agent = i.agent JOIN agent AS a ON a.id = i.agent"
);
const INSERT_DOCUMENTS: &str = "INSERT INTO document (id, agent, received_at, body)
    SELECT value ->> 'id', value ->> 'agent', value ->> 'received_at', substr(?2, value ->> 'position', value ->> 'length')
    FROM json_each(?1) WHERE true ON CONFLICT (id) DO NOTHING";
const PUT_SEEN: &str = "UPDATE seen SET counter = i.counter, nonce = i.nonce, root = i.root, clock_skew_ms = i.clock_skew_ms,
        last_seen = max(coalesce(seen.last_seen, i.last_seen), i.last_seen)
    FROM (SELECT value ->> 'agent' AS agent, value ->> 'counter' AS counter, value ->> 'nonce' AS nonce, value ->> 'root' AS root,
                 value ->> 'clock_skew_ms' AS clock_skew_ms, value ->> 'last_seen' AS last_seen FROM json_each(?1)) AS i
    WHERE seen.agent = i.agent";
const PUT_INVENTORIES: &str = "INSERT INTO inventory (agent, agent_version, dropped_documents, superseded_inventories, sections)
    SELECT value ->> 'agent', value ->> 'agent_version', value ->> 'dropped_documents', value ->> 'superseded_inventories',
           value ->> 'sections'
    FROM json_each(?1) WHERE true
    ON CONFLICT (agent) DO UPDATE SET agent_version = excluded.agent_version, dropped_documents = excluded.dropped_documents,
        superseded_inventories = excluded.superseded_inventories, sections = excluded.sections";
const NOTE_UNCHANGED: &str = "UPDATE seen SET counter = c.counter, nonce = c.nonce, last_seen = max(coalesce(seen.last_seen, c.at), c.at)
    FROM (SELECT value ->> 'agent' AS agent, value ->> 'generation' AS generation, value ->> 'root' AS root,
                 value ->> 'counter' AS counter, value ->> 'nonce' AS nonce, value ->> 'at' AS at FROM json_each(?1)) AS c
    WHERE seen.agent = c.agent AND seen.state = 'active' AND seen.generation = c.generation AND seen.root = c.root
        AND seen.counter + 1 = c.counter
    RETURNING seen.agent";
/// The last document of the next page of those received before ?1, from after (?2, ?3).
const PRUNE_PAGE: &str = "SELECT received_at, id FROM document WHERE (received_at, id) > (?2, ?3) AND received_at < ?1
    ORDER BY received_at, id LIMIT 1 OFFSET 1999";
const PRUNE: &str = "DELETE FROM document WHERE (received_at, id) > (?1, ?2) AND (received_at, id) <= (?3, ?4)
    AND NOT EXISTS (SELECT 1 FROM inventory AS i, json_each(i.sections) AS section
                    WHERE i.agent = document.agent AND section.value ->> 'document' = document.id)";

impl SqliteStore {
    pub(super) async fn inventories_of(&self, agents: &[AgentId]) -> Result<Vec<Inventory>> {
        self.read::<InventoryRow>(sqlx::query_scalar(INVENTORIES).bind(codec::json(agents)?)).await
    }

    pub(super) async fn document_body(&self, id: DocumentId) -> Result<Option<Vec<u8>>> {
        Ok(sqlx::query_scalar("SELECT body FROM document WHERE id = ?1").bind(id.to_string()).fetch_optional(&self.readers).await?)
    }

    pub(super) async fn stored_documents(&self, ids: &[DocumentId]) -> Result<Vec<DocumentId>> {
        let known: Vec<String> = sqlx::query_scalar("SELECT id FROM document WHERE id IN (SELECT value FROM json_each(?1))")
            .bind(codec::json(ids)?)
            .fetch_all(&self.readers)
            .await?;
        let known: HashSet<DocumentId> = known.iter().filter_map(|id| id.parse().ok()).collect();
        Ok(ids.iter().copied().filter(|id| known.contains(id)).collect())
    }

    pub(super) async fn note_all_unchanged(&self, check_ins: &[UnchangedCheckIn]) -> Result<Vec<bool>> {
        // One row is updated once by a statement: a second word of the same agent takes the careful path.
        let mut first = HashSet::new();
        let is_first: Vec<bool> = check_ins.iter().map(|check_in| first.insert(check_in.agent)).collect();
        let rows: Vec<UnchangedRow> = check_ins.iter().zip(&is_first).filter(|(_, first)| **first).map(|(it, _)| it.into()).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let matched: Vec<String> = sqlx::query_scalar(NOTE_UNCHANGED).bind(codec::json(&rows)?).fetch_all(&self.writer).await?;
        let matched: HashSet<AgentId> = matched.iter().filter_map(|agent| agent.parse().ok()).collect();
        Ok(check_ins.iter().zip(is_first).map(|(check_in, first)| first && matched.contains(&check_in.agent)).collect())
    }

    pub(super) async fn note_one_exchange(&self, agent: AgentId, expected_counter: u64, exchange: Exchange, at: Timestamp) -> Result<bool> {
        let noted = sqlx::query(
            "UPDATE seen SET counter = ?3, nonce = ?4, last_seen = max(coalesce(last_seen, ?5), ?5) WHERE agent = ?1 AND counter = ?2",
        )
        .bind(agent.to_string())
        .bind(count(expected_counter))
        .bind(count(exchange.counter))
        .bind(exchange.nonce.to_string())
        .bind(at.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    pub(super) async fn delete_documents(&self, before: Timestamp) -> Result<u64> {
        let mut deleted = 0;
        let mut from = (i64::MIN, String::new());
        loop {
            let page: Option<(i64, String)> =
                sqlx::query_as(PRUNE_PAGE).bind(before.as_millis()).bind(from.0).bind(&from.1).fetch_optional(&self.readers).await?;
            // One transaction a page, so that commits get their turn. The last page ends before the first id at `before`.
            let to = page.clone().unwrap_or_else(|| (before.as_millis(), String::new()));
            let done = sqlx::query(PRUNE).bind(from.0).bind(&from.1).bind(to.0).bind(&to.1).execute(&self.writer).await?;
            deleted += done.rows_affected();
            match page {
                Some(last) => from = last,
                None => return Ok(deleted),
            }
        }
    }
}

pub(super) async fn insert_documents(tx: &mut Transaction<'static, Sqlite>, documents: &[DocumentRecord]) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let (rows, bodies) = DocumentRow::all(documents);
    sqlx::query(INSERT_DOCUMENTS).bind(codec::json(&rows)?).bind(bodies).execute(&mut **tx).await?;
    Ok(())
}

pub(super) async fn put_inventories(tx: &mut Transaction<'static, Sqlite>, inventories: &[Inventory]) -> Result<()> {
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
