//! The store: the truth, durable. One trait of few whole operations, two implementations, one contract suite.
//!
//! Times are UTC milliseconds, ids UUIDs. Every operation is one transaction; nothing is half-applied.

mod catalogue;
mod codec;
mod columns;
mod difference;
mod installed;
mod open;
mod plan;
mod postgres;
mod records;
mod requests;
mod sqlite;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use rollcall_core::{Put, Revision};
use rollcall_shared::{AgentId, ApiTokenId, CiId, DocumentId, FrozenAnswerId, Timestamp, TokenId, UserId, ViewId, wire::v1::Exchange};
use tokio::sync::watch;
use uuid::Uuid;

pub use self::{
    difference::{Cut, Differing, DifferingPage, Kept, Thinned},
    open::open,
    records::{
        AgentRecord, AgentState, ApiTokenRecord, AttributedChange, AuditEntry, Batch, CiVersion, DocumentRecord, EnrollAttempt,
        EnrollOutcome, Event, FrozenAnswer, GraphCopy, ImportId, ImportPart, ImportRecord, ImportState, InstalledSoftware, Inventory,
        IssuedCertificate, Role, SectionRecord, SessionRecord, Snapshot, TokenRecord, UnchangedCheckIn, UserRecord, ViewRecord,
    },
    requests::{KeyedAnswer, KeyedRequest, SeenRequest},
};

/// A store that the handlers, the writer and the jobs share.
pub type SharedStore = Arc<dyn Store>;

/// What is done with each thing that is read.
pub type TakePut<'t> = &'t mut (dyn FnMut(Put) + Send);

/// Durable state. All methods can fail with [`StoreError`]; "not there" is `None` or `false`, never an error.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // --- The installation ---

    /// Makes `pin` (of the root certificate) this installation's, if it has none yet; returns the one that stands.
    async fn claim_root_pin(&self, pin: &str) -> Result<String, StoreError>;

    /// Answers only if the database answers; for readiness.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Writes a consistent copy of the whole database to a new file, while serving.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] where the database has its own tool for that, which the message names.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;

    // --- The estate ---

    /// The whole current state: every CI (retired ones too), every live relationship and need group, every conflict that is
    /// open or keeps two CIs apart, and every software set and agent binding.
    async fn load(&self) -> Result<Snapshot, StoreError> {
        let mut puts = Vec::new();
        let snapshot = self.load_in_pages(&mut |put| puts.push(put)).await?;
        Ok(Snapshot { puts, ..snapshot })
    }

    /// The same, each thing given while others are still read: an estate is never there twice. What is returned has no puts. After an error
    /// what was taken is only a part.
    async fn load_in_pages(&self, take: TakePut<'_>) -> Result<Snapshot, StoreError>;

    /// The state as of a past instant: what was valid then, by the collector's clock. Conflicts are not part of it.
    async fn load_as_of(&self, at: Timestamp) -> Result<Snapshot, StoreError>;

    /// Commits a batch planned from `base`: closes the versions it replaces, inserts the new ones, and records documents,
    /// inventories, events and audit entries, all in one durable transaction. Returns the new revision, `base + 1`.
    ///
    /// Of several versions of one thing that begin at the same instant only the last is kept (each has its event). A
    /// document whose id is stored already stays as it is. U+0000 in texts, which the wire refuses, becomes U+FFFD.
    ///
    /// # Errors
    /// [`StoreError::Behind`] if the store has moved past `base`; nothing was written.
    async fn commit(&self, base: Revision, batch: &Batch) -> Result<Revision, StoreError>;

    /// Everything that commits after `after` put, newest version only, for a collector to catch up; what was retired or
    /// settled is among it. Without `last_seen`, see [`Store::heard_since`].
    async fn puts_since(&self, after: Revision) -> Result<Snapshot, StoreError>;

    /// A part of the current state: every class and rule, and of these CIs (retired ones too) what they are and need: the live relationships
    /// from them, and their need groups. Without `last_seen`, see [`Store::heard_since`].
    async fn load_of(&self, cis: &[CiId]) -> Result<Snapshot, StoreError>;

    /// The agents last heard at `since` or later, and when: check-ins without a change make no revision, so a collector
    /// that shares its store asks now and then. One scan of a narrow table.
    async fn heard_since(&self, since: Timestamp) -> Result<Vec<(AgentId, Timestamp)>, StoreError>;

    /// Tells of new revisions, whoever committed them (with PostgreSQL: through NOTIFY).
    fn revisions(&self) -> watch::Receiver<Revision>;

    // --- History ---

    /// Every version of a CI, newest first.
    async fn ci_history(&self, ci: CiId, limit: u32) -> Result<Vec<CiVersion>, StoreError>;

    /// The versions of each of these CIs, at most `each`: by CI, newest first.
    async fn ci_histories(&self, cis: &[CiId], each: u32) -> Result<Vec<CiVersion>, StoreError>;

    /// Of everything that is about one of these CIs, by kind and thing, the newest event up to this instant.
    async fn newest_events(&self, cis: &[CiId], until: Timestamp) -> Result<Vec<Event>, StoreError>;

    /// The change feed: events with a cursor above `after`, oldest first.
    async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// Events about one CI (itself, its relationships, its software), newest first.
    async fn events_of(&self, ci: CiId, limit: u32) -> Result<Vec<Event>, StoreError>;

    /// What has another version at `to` than at `from`, by id from after `after`, at most `limit` things. Set-based, over what was replaced or
    /// came in between only; what changed and changed back has two versions and is among it.
    async fn differing(&self, kind: Kept, from: Timestamp, to: Timestamp, after: Uuid, limit: u32) -> Result<DifferingPage, StoreError>;

    /// The cursor of the last entry of the change feed that retention has removed; 0 if it is whole.
    async fn events_removed(&self) -> Result<u64, StoreError>;

    /// Removes what is older than it need be kept. What stands now is never touched.
    async fn thin(&self, cut: &Cut) -> Result<Thinned, StoreError>;

    // --- Inventory ---

    /// What is known of these agents' inventories and exchanges; unknown agents are left out.
    async fn inventories(&self, agents: &[AgentId]) -> Result<Vec<Inventory>, StoreError>;

    /// A document as received (zstd-compressed JSON).
    async fn document(&self, id: DocumentId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Of these documents, those that are stored.
    async fn known_documents(&self, ids: &[DocumentId]) -> Result<Vec<DocumentId>, StoreError>;

    /// Unchanged check-ins, many at once in one statement: for each whose agent is active with exactly this certificate
    /// generation and root digest and whose counter is the next one, notes time, counter and nonce. Returns for each, in
    /// order, whether it matched; the others changed nothing and take the careful path.
    async fn note_unchanged(&self, check_ins: &[UnchangedCheckIn]) -> Result<Vec<bool>, StoreError>;

    /// Notes an exchange of one agent if its last counter is still `expected_counter`.
    async fn note_exchange(&self, agent: AgentId, expected_counter: u64, exchange: Exchange, at: Timestamp) -> Result<bool, StoreError>;

    /// Deletes documents received before `before` that no current section stands in. Returns how many.
    async fn prune_documents(&self, before: Timestamp) -> Result<u64, StoreError>;

    // --- Writes with a key ---

    /// Notes that a write with a key has begun, unless this actor's key is known; in one step.
    async fn begin_request(&self, request: &KeyedRequest) -> Result<SeenRequest, StoreError>;

    /// Keeps the answer of a write with a key.
    async fn finish_request(&self, actor: &str, key: &str, answer: &KeyedAnswer) -> Result<(), StoreError>;

    /// Forgets a key whose write was refused; one with an answer stays.
    async fn forget_request(&self, actor: &str, key: &str) -> Result<(), StoreError>;

    /// Forgets keys of before then; how many.
    async fn prune_requests(&self, before: Timestamp) -> Result<u64, StoreError>;

    // --- Enrollment ---

    /// Stores a new enrollment token.
    async fn create_token(&self, token: &TokenRecord, audit: &AuditEntry) -> Result<(), StoreError>;

    /// All enrollment tokens, newest first.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;

    /// Revokes an enrollment token; `false` if there is none.
    async fn revoke_token(&self, id: TokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// One try to enroll: finds the earlier try with the same nonce and key, or takes one use of the token by one atomic
    /// statement and creates the agent (active, or pending if the token wants approval).
    async fn enroll(&self, attempt: &EnrollAttempt) -> Result<EnrollOutcome, StoreError>;

    /// An agent.
    async fn agent(&self, id: AgentId) -> Result<Option<AgentRecord>, StoreError>;

    /// All agents, newest first.
    async fn agents(&self) -> Result<Vec<AgentRecord>, StoreError>;

    /// Sets an agent's state with its reason; `false` if there is none.
    async fn set_agent_state(&self, id: AgentId, state: AgentState, reason: &str, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Records a newly issued certificate if the newest generation is still `expected_generation`; `false` if not.
    async fn record_certificate(&self, id: AgentId, expected_generation: u64, certificate: &IssuedCertificate) -> Result<bool, StoreError>;

    /// Notes that a certificate generation was used: it becomes the one that check-ins must carry. If it is
    /// newer than the newest issued one (the store was restored from a backup), raises that too.
    async fn confirm_generation(&self, id: AgentId, generation: u64) -> Result<(), StoreError>;

    /// After a person has settled which copy of an agent goes on: forgets counter and nonce so that the next exchange is accepted.
    async fn reset_exchange(&self, id: AgentId) -> Result<(), StoreError>;

    // --- Imports ---

    /// Stores a new import.
    async fn create_import(&self, job: &ImportRecord) -> Result<(), StoreError>;

    /// An import.
    async fn import(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError>;

    /// Imports, newest first.
    async fn imports(&self, limit: u32) -> Result<Vec<ImportRecord>, StoreError>;

    /// Replaces an import if it is as it was when it was read: in the state `from`, last updated at `updated_at`. If it becomes
    /// `applying` or `undoing`, only if no other import is, or none that was updated since `stale_before`. Returns whether it was.
    async fn advance_import(
        &self,
        job: &ImportRecord,
        from: ImportState,
        updated_at: Timestamp,
        stale_before: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Stores a part of an import's rows, without or with what comes of them.
    async fn put_import_part(&self, id: ImportId, number: u32, part: &ImportPart) -> Result<(), StoreError>;

    /// A part of an import's rows.
    async fn import_part(&self, id: ImportId, number: u32) -> Result<Option<ImportPart>, StoreError>;

    /// Deletes imports that were last updated before `before` and are not being worked on, with their rows. Returns how many.
    async fn prune_imports(&self, before: Timestamp) -> Result<u64, StoreError>;

    // --- People ---

    /// Creates a person; `false` if the name is taken.
    async fn create_user(&self, user: &UserRecord, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// The person of that sign-in name.
    async fn user_by_name(&self, name: &str) -> Result<Option<UserRecord>, StoreError>;

    /// The person of that id.
    async fn user(&self, id: UserId) -> Result<Option<UserRecord>, StoreError>;

    /// Everybody, by name.
    async fn users(&self) -> Result<Vec<UserRecord>, StoreError>;

    /// Replaces a person's password hash, role and whether they may sign in, and ends their sessions if `end_sessions`.
    async fn update_user(&self, user: &UserRecord, end_sessions: bool, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Stores a browser session.
    async fn create_session(&self, session: &SessionRecord) -> Result<(), StoreError>;

    /// The session with that secret's hash, unless it has expired at `now`.
    async fn session(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<SessionRecord>, StoreError>;

    /// Ends a session.
    async fn end_session(&self, secret_hash: &[u8; 32]) -> Result<(), StoreError>;

    /// Stores an API token.
    async fn create_api_token(&self, token: &ApiTokenRecord, audit: &AuditEntry) -> Result<(), StoreError>;

    /// The API token with that secret's hash, unless it is revoked or has expired at `now`.
    async fn api_token(&self, secret_hash: &[u8; 32], now: Timestamp) -> Result<Option<ApiTokenRecord>, StoreError>;

    /// All API tokens, newest first.
    async fn api_tokens(&self) -> Result<Vec<ApiTokenRecord>, StoreError>;

    /// Revokes an API token; `false` if there is none.
    async fn revoke_api_token(&self, id: ApiTokenId, at: Timestamp, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Makes or replaces a saved view (its owner stays); `false` if its owner has another of that name.
    async fn save_view(&self, view: &ViewRecord, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Everybody's saved views, by name.
    async fn views(&self) -> Result<Vec<ViewRecord>, StoreError>;

    /// Deletes a saved view; `false` if there is none.
    async fn delete_view(&self, id: ViewId, audit: &AuditEntry) -> Result<bool, StoreError>;

    /// Adds to the audit log what has no transaction of its own.
    async fn audit(&self, entry: &AuditEntry) -> Result<(), StoreError>;

    /// The audit log, newest first, entries with a number below `before` (all if absent).
    async fn audit_log(&self, before: Option<u64>, limit: u32) -> Result<Vec<(u64, AuditEntry)>, StoreError>;

    // --- A copy of the graph ---

    /// Keeps a part of a copy that is being made. Nobody sees it before [`Store::finish_graph_copy`].
    async fn put_graph_part(&self, copy: Uuid, number: u32, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes a copy the one that stands and deletes the parts of all that were begun before it. `false`, and nothing is done, if a part of it
    /// is not there or a later one stands: another collector was faster.
    async fn finish_graph_copy(&self, copy: &GraphCopy) -> Result<bool, StoreError>;

    /// The copy that stands.
    async fn graph_copy(&self) -> Result<Option<GraphCopy>, StoreError>;

    /// A part of it; `None` if another stands by now.
    async fn graph_part(&self, copy: Uuid, number: u32) -> Result<Option<Vec<u8>>, StoreError>;

    // --- Answers that people keep ---

    /// Keeps an answer as it is.
    async fn freeze_answer(&self, answer: &FrozenAnswer, body: &[u8], audit: &AuditEntry) -> Result<(), StoreError>;

    /// The answers that are kept, newest first.
    async fn frozen_answers(&self, limit: u32) -> Result<Vec<FrozenAnswer>, StoreError>;

    /// One of them, with its body.
    async fn frozen_answer(&self, id: FrozenAnswerId) -> Result<Option<(FrozenAnswer, Vec<u8>)>, StoreError>;

    /// Deletes one of them; `false` if there is none.
    async fn delete_frozen_answer(&self, id: FrozenAnswerId, audit: &AuditEntry) -> Result<bool, StoreError>;
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another collector committed first; catch up to this revision and plan again.
    #[error("the store is at revision {}, ahead of the one this change was planned from", .0.0)]
    Behind(Revision),
    /// This database does that with its own tool.
    #[error("{0}")]
    Unsupported(String),
    /// A row does not hold what this version of Rollcall writes.
    #[error("table {table}, row {id}, column {column}: {problem}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// The column.
        column: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The database was made by a newer Rollcall.
    #[error("the database is at schema version {found}, this Rollcall knows up to {known}; upgrade Rollcall")]
    TooNew {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// The address of the database cannot be used.
    #[error("{0}")]
    Address(String),
    /// A file could not be made or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database failed.
    #[error("database")]
    Database(#[from] sqlx::Error),
}
