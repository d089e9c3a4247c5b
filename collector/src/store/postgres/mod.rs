//! The store in a PostgreSQL database, for one collector or many.
//!
//! Commits queue at the one row of `installation`, whose lock they take first. Each tells the others of its revision
//! through NOTIFY.

/// A statement that gives rows as one JSON array of arrays, in the order of the source unless said otherwise.
macro_rules! json_rows {
    ($columns:expr, order $order:literal, $from:expr) => {
        concat!("SELECT coalesce(json_agg(json_build_array(", $columns, ") ORDER BY ", $order, "), '[]')::text ", $from)
    };
    ($columns:expr, $from:expr) => {
        concat!("SELECT coalesce(json_agg(json_build_array(", $columns, ")), '[]')::text ", $from)
    };
}

mod agents;
mod commit;
mod difference;
mod estate;
mod frozen;
mod graph_copies;
mod history;
mod imports;
mod inventory;
mod people;
mod requests;
mod revisions;
mod schema;
mod views;

use std::{path::Path, str::FromStr, sync::Arc};

use async_trait::async_trait;
use rollcall_core::Revision;
use rollcall_shared::{AgentId, ApiTokenId, CiId, DocumentId, FrozenAnswerId, Timestamp, TokenId, UserId, ViewId, wire::v1::Exchange};
use sqlx::{
    PgPool, Postgres, Transaction,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
    query::QueryScalar,
};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use super::{
    AgentRecord, AgentState, ApiTokenRecord, AuditEntry, Batch, CiVersion, Cut, DifferingPage, EnrollAttempt, EnrollOutcome, Event,
    FrozenAnswer, GraphCopy, ImportId, ImportPart, ImportRecord, ImportState, Inventory, IssuedCertificate, Kept, KeyedAnswer,
    KeyedRequest, SeenRequest, SessionRecord, Snapshot, Store, StoreError, TakePut, Thinned, TokenRecord, UnchangedCheckIn, UserRecord,
    ViewRecord,
    catalogue::Catalogue,
    codec::{self, Decode},
};

type Result<T> = std::result::Result<T, StoreError>;

/// A statement that gives one value.
type Scalar<'q, T> = QueryScalar<'q, Postgres, T, PgArguments>;

/// A PostgreSQL server takes 100 by default; two collectors and a person with psql fit.
const CONNECTIONS: u32 = 16;

/// See the module.
pub(super) struct PostgresStore {
    pool: PgPool,
    revision: Arc<watch::Sender<Revision>>,
    listener: JoinHandle<()>,
    catalogue: Catalogue,
}

impl PostgresStore {
    /// Connects, brings the schema up to date and begins to listen for the commits of others.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| StoreError::Address(format!("the PostgreSQL address cannot be read: {error}")))?
            .application_name("rollcall")
            // Batches differ in size and tables grow: a plan made for a small table would stay for a large one.
            .options([("plan_cache_mode", "force_custom_plan")]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options.clone()).await?;
        schema::migrate(&pool).await?;
        let revision = Arc::new(watch::Sender::new(Revision::default()));
        let listener = revisions::follow(options, pool.clone(), revision.clone()).await?;
        Ok(Self { pool, revision, listener, catalogue: Catalogue::default() })
    }

    async fn write(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin().await?)
    }

    /// The rows that a statement gives as one JSON array.
    async fn read<T: Decode>(&self, query: Scalar<'_, String>) -> Result<Vec<T::Record>> {
        codec::records::<T>(&query.fetch_one(&self.pool).await?)
    }

    /// The same for at most one row.
    async fn read_one<T: Decode>(&self, query: Scalar<'_, String>) -> Result<Option<T::Record>> {
        Ok(self.read::<T>(query).await?.pop())
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn claim_root_pin(&self, pin: &str) -> Result<String> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE installation SET root_pin = $1 WHERE root_pin IS NULL").bind(pin).execute(&mut *tx).await?;
        let stands = sqlx::query_scalar("SELECT root_pin FROM installation").fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(stands)
    }
    async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT revision FROM installation").execute(&self.pool).await?;
        Ok(())
    }
    async fn backup(&self, to: &Path) -> Result<()> {
        Err(StoreError::Unsupported(format!(
            "a PostgreSQL database is backed up with its own tools; run: pg_dump --format=custom --file={} followed by the address in `database`",
            to.display()
        )))
    }
    async fn load_in_pages(&self, take: TakePut<'_>) -> Result<Snapshot> {
        self.load_current(take).await
    }
    async fn load_as_of(&self, at: Timestamp) -> Result<Snapshot> {
        self.load_past(at).await
    }
    async fn commit(&self, base: Revision, batch: &Batch) -> Result<Revision> {
        self.commit_batch(base, batch).await
    }
    async fn puts_since(&self, after: Revision) -> Result<Snapshot> {
        self.load_since(after).await
    }
    async fn load_of(&self, cis: &[CiId]) -> Result<Snapshot> {
        self.load_some(cis).await
    }
    async fn put_graph_part(&self, copy: Uuid, number: u32, bytes: &[u8]) -> Result<()> {
        self.insert_graph_part(copy, number, bytes).await
    }
    async fn finish_graph_copy(&self, copy: &GraphCopy) -> Result<bool> {
        self.replace_graph_copy(copy).await
    }
    async fn graph_copy(&self) -> Result<Option<GraphCopy>> {
        self.whole_graph_copy().await
    }
    async fn graph_part(&self, copy: Uuid, number: u32) -> Result<Option<Vec<u8>>> {
        self.one_graph_part(copy, number).await
    }
    async fn heard_since(&self, since: Timestamp) -> Result<Vec<(AgentId, Timestamp)>> {
        self.agents_heard_since(since).await
    }
    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }
    async fn ci_history(&self, ci: CiId, limit: u32) -> Result<Vec<CiVersion>> {
        self.versions_of(ci, limit).await
    }
    async fn differing(&self, kind: Kept, from: Timestamp, to: Timestamp, after: Uuid, limit: u32) -> Result<DifferingPage> {
        self.differing_between(kind, from, to, after, limit).await
    }
    async fn events_removed(&self) -> Result<u64> {
        self.last_event_removed().await
    }
    async fn thin(&self, cut: &Cut) -> Result<Thinned> {
        self.thin_history(cut).await
    }
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>> {
        self.events_after(after, limit).await
    }
    async fn ci_histories(&self, cis: &[CiId], each: u32) -> Result<Vec<CiVersion>> {
        self.versions_of_each(cis, each).await
    }
    async fn newest_events(&self, cis: &[CiId], until: Timestamp) -> Result<Vec<Event>> {
        self.newest_events_about(cis, until).await
    }
    async fn events_of(&self, ci: CiId, limit: u32) -> Result<Vec<Event>> {
        self.events_about(ci, limit).await
    }
    async fn inventories(&self, agents: &[AgentId]) -> Result<Vec<Inventory>> {
        self.inventories_of(agents).await
    }
    async fn document(&self, id: DocumentId) -> Result<Option<Vec<u8>>> {
        self.document_body(id).await
    }
    async fn known_documents(&self, ids: &[DocumentId]) -> Result<Vec<DocumentId>> {
        self.stored_documents(ids).await
    }
    async fn note_unchanged(&self, check_ins: &[UnchangedCheckIn]) -> Result<Vec<bool>> {
        self.note_all_unchanged(check_ins).await
    }
    async fn note_exchange(&self, agent: AgentId, expected_counter: u64, exchange: Exchange, at: Timestamp) -> Result<bool> {
        self.note_one_exchange(agent, expected_counter, exchange, at).await
    }
    async fn begin_request(&self, request: &KeyedRequest) -> Result<SeenRequest> {
        self.begin_keyed(request).await
    }
    async fn finish_request(&self, actor: &str, key: &str, answer: &KeyedAnswer) -> Result<()> {
        self.finish_keyed(actor, key, answer).await
    }
    async fn forget_request(&self, actor: &str, key: &str) -> Result<()> {
        self.forget_keyed(actor, key).await
    }
    async fn prune_requests(&self, before: Timestamp) -> Result<u64> {
        self.prune_keyed(before).await
    }
    async fn prune_documents(&self, before: Timestamp) -> Result<u64> {
        self.delete_documents(before).await
    }
    async fn create_token(&self, token: &TokenRecord, audit: &AuditEntry) -> Result<()> {
        self.insert_token(token, audit).await
    }
    async fn tokens(&self) -> Result<Vec<TokenRecord>> {
        self.all_tokens().await
    }
    async fn revoke_token(&self, id: TokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool> {
        self.revoke_enrollment_token(id, at, audit).await
    }
    async fn enroll(&self, attempt: &EnrollAttempt) -> Result<EnrollOutcome> {
        self.try_to_enroll(attempt).await
    }
    async fn agent(&self, id: AgentId) -> Result<Option<AgentRecord>> {
        self.one_agent(id).await
    }
    async fn agents(&self) -> Result<Vec<AgentRecord>> {
        self.all_agents().await
    }
    async fn set_agent_state(&self, id: AgentId, state: AgentState, reason: &str, audit: &AuditEntry) -> Result<bool> {
        self.change_agent_state(id, state, reason, audit).await
    }
    async fn record_certificate(&self, id: AgentId, expected_generation: u64, certificate: &IssuedCertificate) -> Result<bool> {
        self.store_certificate(id, expected_generation, certificate).await
    }
    async fn confirm_generation(&self, id: AgentId, generation: u64) -> Result<()> {
        self.use_generation(id, generation).await
    }
    async fn reset_exchange(&self, id: AgentId) -> Result<()> {
        self.forget_exchange(id).await
    }
    async fn create_import(&self, job: &ImportRecord) -> Result<()> {
        self.insert_import(job).await
    }
    async fn import(&self, id: ImportId) -> Result<Option<ImportRecord>> {
        self.one_import(id).await
    }
    async fn imports(&self, limit: u32) -> Result<Vec<ImportRecord>> {
        self.newest_imports(limit).await
    }
    async fn advance_import(&self, job: &ImportRecord, from: ImportState, updated_at: Timestamp, stale_before: Timestamp) -> Result<bool> {
        self.replace_import(job, from, updated_at, stale_before).await
    }
    async fn put_import_part(&self, id: ImportId, number: u32, part: &ImportPart) -> Result<()> {
        self.replace_import_part(id, number, part).await
    }
    async fn import_part(&self, id: ImportId, number: u32) -> Result<Option<ImportPart>> {
        self.one_import_part(id, number).await
    }
    async fn prune_imports(&self, before: Timestamp) -> Result<u64> {
        self.delete_imports(before).await
    }
    async fn create_user(&self, user: &UserRecord, audit: &AuditEntry) -> Result<bool> {
        self.insert_person(user, audit).await
    }
    async fn user_by_name(&self, name: &str) -> Result<Option<UserRecord>> {
        self.person_by_name(name).await
    }
    async fn user(&self, id: UserId) -> Result<Option<UserRecord>> {
        self.person(id).await
    }
    async fn users(&self) -> Result<Vec<UserRecord>> {
        self.everybody().await
    }
    async fn update_user(&self, user: &UserRecord, end_sessions: bool, audit: &AuditEntry) -> Result<bool> {
        self.update_person(user, end_sessions, audit).await
    }
    async fn create_session(&self, session: &SessionRecord) -> Result<()> {
        self.insert_session(session).await
    }
    async fn session(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<SessionRecord>> {
        self.live_session(secret_hash, now).await
    }
    async fn end_session(&self, secret_hash: &[u8; 32]) -> Result<()> {
        self.delete_session(secret_hash).await
    }
    async fn save_view(&self, view: &ViewRecord, audit: &AuditEntry) -> Result<bool> {
        self.put_view(view, audit).await
    }
    async fn views(&self) -> Result<Vec<ViewRecord>> {
        self.all_views().await
    }
    async fn delete_view(&self, id: ViewId, audit: &AuditEntry) -> Result<bool> {
        self.drop_view(id, audit).await
    }
    async fn create_api_token(&self, token: &ApiTokenRecord, audit: &AuditEntry) -> Result<()> {
        self.insert_api_token(token, audit).await
    }
    async fn api_token(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<ApiTokenRecord>> {
        self.live_api_token(secret_hash, now).await
    }
    async fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>> {
        self.all_api_tokens().await
    }
    async fn revoke_api_token(&self, id: ApiTokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool> {
        self.revoke_one_api_token(id, at, audit).await
    }
    async fn audit(&self, entry: &AuditEntry) -> Result<()> {
        let mut tx = self.write().await?;
        history::insert_audit(&mut tx, std::slice::from_ref(entry)).await?;
        Ok(tx.commit().await?)
    }
    async fn audit_log(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, AuditEntry)>> {
        self.audit_before(before, limit).await
    }
    async fn freeze_answer(&self, answer: &FrozenAnswer, body: &[u8], audit: &AuditEntry) -> Result<()> {
        self.insert_answer(answer, body, audit).await
    }
    async fn frozen_answers(&self, limit: u32) -> Result<Vec<FrozenAnswer>> {
        self.newest_answers(limit).await
    }
    async fn frozen_answer(&self, id: FrozenAnswerId) -> Result<Option<(FrozenAnswer, Vec<u8>)>> {
        self.one_answer(id).await
    }
    async fn delete_frozen_answer(&self, id: FrozenAnswerId, audit: &AuditEntry) -> Result<bool> {
        self.delete_answer(id, audit).await
    }
}
